//! Changes inputs whose body is JSON as JSON: random bytes hardly ever stay valid, and would try the parser alone.

use serde_json::{Map, Value, json};

/// Names that mean something somewhere.
const NAMES: [&str; 24] = [
    "id",
    "type",
    "body",
    "timestamp",
    "traceId",
    "parentObservationId",
    "startTime",
    "endTime",
    "usage",
    "usageDetails",
    "costDetails",
    "metadata",
    "input",
    "output",
    "tags",
    "environment",
    "level",
    "dataType",
    "value",
    "sessionId",
    "configId",
    "promptVersion",
    "attributes",
    "stringValue",
];

/// Texts that mean something somewhere.
const TEXTS: [&str; 28] = [
    "",
    "default",
    "langfuse-x",
    "trace-create",
    "span-update",
    "generation-update",
    "observation-create",
    "score-create",
    "sdk-log",
    "GENERATION",
    "CORRECTION",
    "CATEGORICAL",
    "BOOLEAN",
    "ERROR",
    "2026-02-25T12:00:01Z",
    "+275760-09-13T00:00:00.001Z",
    "-000001-01-01T00:00:00Z",
    "t1",
    "g1",
    "a\rb",
    "\u{0}",
    "\u{1f600}",
    "{\"a\":1}",
    "[{\"role\":\"user\",\"content\":\"x\",\"tool_calls\":[{\"function\":{\"name\":\"f\"}}]}]",
    "gpt-4o",
    "1e999",
    "-0.0",
    "null",
];

/// A source of numbers; the same seed gives the same.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((mixed ^ (mixed >> 27)) % bound.max(1) as u64) as usize
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// Changes the first `size` bytes of `data` and gives the new size: every second time by `bytes`, which gets the same, else
/// one to three values of the JSON after the two choosing bytes.
pub fn mutate(
    data: &mut [u8],
    size: usize,
    max_size: usize,
    seed: u32,
    bytes: impl FnOnce(&mut [u8], usize, usize) -> usize,
) -> usize {
    let mut chance = Chance(u64::from(seed));
    if chance.below(2) == 0 || size < 2 {
        return bytes(data, size, max_size);
    }
    let Ok(mut value) = serde_json::from_slice::<Value>(&data[2..size]) else {
        return bytes(data, size, max_size);
    };
    for _ in 0..=chance.below(3) {
        change(&mut value, &mut chance);
    }
    let text = value.to_string();
    let Some(place) = data[..max_size].get_mut(2..2 + text.len()) else {
        return bytes(data, size, max_size);
    };
    place.copy_from_slice(text.as_bytes());
    2 + text.len()
}

fn change(root: &mut Value, chance: &mut Chance) {
    let all = count(root);
    let other = nth(root, &mut chance.below(all)).cloned().unwrap_or_default();
    let Some(value) = nth(root, &mut chance.below(all)) else {
        return;
    };
    match value {
        Value::Array(items) if chance.below(3) > 0 => match (chance.below(3), items.len()) {
            (0, 1..) => drop(items.remove(chance.below(items.len()))),
            (1, 1..) => {
                let item = items[chance.below(items.len())].clone();
                items.push(item);
            }
            _ => items.push(other),
        },
        Value::Object(members) if chance.below(4) > 0 => of_object(members, other, chance),
        value => *value = new(other, chance),
    }
}

fn of_object(members: &mut Map<String, Value>, other: Value, chance: &mut Chance) {
    let name = members.keys().nth(chance.below(members.len())).cloned();
    match (chance.below(3), name) {
        (0, Some(name)) => drop(members.remove(&name)),
        (1, Some(name)) => {
            let value = members.remove(&name).unwrap_or_default();
            members.insert(chance.of(&NAMES).to_owned(), value);
        }
        _ => drop(members.insert(chance.of(&NAMES).to_owned(), new(other, chance))),
    }
}

fn new(other: Value, chance: &mut Chance) -> Value {
    match chance.below(10) {
        0 => Value::Null,
        1 => Value::Bool(chance.below(2) == 0),
        2 => json!(chance.of(&[0i64, 1, -1, 2, 65_536, i64::MAX, i64::MIN, 1_772_020_800_123])),
        3 => json!(chance.of(&[0.5, -0.0, 1e300, 5e-324, 1e15, 0.1])),
        4 => Value::Array(vec![other]),
        5 => Value::Object([(chance.of(&NAMES).to_owned(), other)].into_iter().collect()),
        6 => other,
        _ => Value::String(chance.of(&TEXTS).to_owned()),
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum(),
        _ => 0,
    }
}

/// The value that comes so many after the first, itself and what is in it counted.
fn nth<'a>(value: &'a mut Value, left: &mut usize) -> Option<&'a mut Value> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| nth(item, left)),
        Value::Object(members) => members.values_mut().find_map(|member| nth(member, left)),
        _ => None,
    }
}
