//! What a client says that was used and what it cost, in the forms that clients have: `usage`, `usageDetails` and
//! `costDetails` of one event become two maps.

use rust_decimal::Decimal;
use tracemill_model::ingest::Text;

use super::fields::{self, Fault, Fields, Raw, fault, is_null, with_name};
use crate::decode::json;
use crate::decode::walk::Cursor;

type Usage = Vec<(Text, u64)>;
type Cost = Vec<(Text, Decimal)>;

/// The two maps, each name once: `usage` first, the details over it. Negative amounts of `usage` are left out.
pub(super) fn provided(of: &Fields<'_>) -> Result<(Usage, Cost), Fault> {
    let plain = plain(of.usage)?;
    let details = details(of.usage_details)?;
    let amounts = plain.amounts(details.is_empty());
    let mut usage: Usage = amounts
        .into_iter()
        .filter_map(|(name, amount)| Some((name.into(), u64::try_from(amount?).ok()?)))
        .collect();
    overlay(&mut usage, details);
    let mut cost: Cost = plain
        .cost
        .into_iter()
        .filter_map(|(name, cost)| Some((name.into(), cost?)))
        .collect();
    overlay(&mut cost, costs(of.cost_details)?);
    Ok((usage, cost))
}

fn overlay<T>(map: &mut Vec<(Text, T)>, over: Vec<(Text, T)>) {
    if map.is_empty() {
        *map = over;
        return;
    }
    for (name, value) in over {
        put(map, name, value);
    }
}

fn put<T>(map: &mut Vec<(Text, T)>, name: Text, value: T) {
    match map.iter_mut().find(|(known, _)| *known == name) {
        Some(entry) => entry.1 = value,
        None => map.push((name, value)),
    }
}

/// `usage`, in either of its forms.
#[derive(Debug, Default)]
struct Plain {
    input: Option<i128>,
    output: Option<i128>,
    total: Option<i128>,
    cost: [(&'static str, Option<Decimal>); 3],
}

impl Plain {
    fn amounts(&self, is_alone: bool) -> [(&'static str, Option<i128>); 3] {
        let total = match (self.total, self.input, self.output) {
            (Some(total), ..) if total != 0 => Some(total),
            // Details say their own total, or none.
            _ if !is_alone => None,
            (_, Some(input), Some(output)) => Some(input + output),
            (_, input, output) => input.or(output),
        };
        [("input", self.input), ("output", self.output), ("total", total)]
    }
}

fn plain(raw: Raw<'_>) -> Result<Plain, Fault> {
    let Some(raw) = raw.filter(|raw| !is_null(raw)) else {
        return Ok(Plain::default());
    };
    let mut cursor = Cursor::new(raw);
    if !cursor.enter(b'{') {
        return fault("body.usage", "must be an object");
    }
    let mut read = Raws::default();
    while let Some(key) = cursor.key() {
        let value = cursor.value();
        with_name(key, |name| read.set(name, value));
    }
    read.check()
}

#[derive(Default)]
struct Raws<'a> {
    input: Raw<'a>,
    output: Raw<'a>,
    total: Raw<'a>,
    prompt: Raw<'a>,
    completion: Raw<'a>,
    total_tokens: Raw<'a>,
    unit: Raw<'a>,
    costs: [Raw<'a>; 3],
}

impl<'a> Raws<'a> {
    fn set(&mut self, name: &str, value: &'a str) {
        let place = match name {
            "input" => &mut self.input,
            "output" => &mut self.output,
            "total" => &mut self.total,
            "promptTokens" => &mut self.prompt,
            "completionTokens" => &mut self.completion,
            "totalTokens" => &mut self.total_tokens,
            "unit" => &mut self.unit,
            "inputCost" => &mut self.costs[0],
            "outputCost" => &mut self.costs[1],
            "totalCost" => &mut self.costs[2],
            _ => return,
        };
        *place = Some(value);
    }

    fn check(&self) -> Result<Plain, Fault> {
        unit(self.unit)?;
        Ok(Plain {
            input: either(
                ("body.usage.promptTokens", self.prompt),
                ("body.usage.input", self.input),
            )?,
            output: either(
                ("body.usage.completionTokens", self.completion),
                ("body.usage.output", self.output),
            )?,
            total: either(
                ("body.usage.totalTokens", self.total_tokens),
                ("body.usage.total", self.total),
            )?,
            cost: [
                ("input", cost("body.usage.inputCost", self.costs[0])?),
                ("output", cost("body.usage.outputCost", self.costs[1])?),
                ("total", cost("body.usage.totalCost", self.costs[2])?),
            ],
        })
    }
}

/// The first, else the second; both must be valid.
fn either(first: (&str, Raw<'_>), second: (&str, Raw<'_>)) -> Result<Option<i128>, Fault> {
    let (first, second) = (fields::integer(first.0, first.1)?, fields::integer(second.0, second.1)?);
    Ok(first.or(second))
}

fn unit(raw: Raw<'_>) -> Result<(), Fault> {
    let Some(raw) = raw.filter(|raw| !is_null(raw)) else {
        return Ok(());
    };
    match json::string(raw).as_deref() {
        Some("CHARACTERS" | "TOKENS" | "SECONDS" | "MILLISECONDS" | "IMAGES" | "REQUESTS") => Ok(()),
        _ => fault(
            "body.usage.unit",
            "must be CHARACTERS, TOKENS, SECONDS, MILLISECONDS, IMAGES or REQUESTS",
        ),
    }
}

fn cost(name: &str, raw: Raw<'_>) -> Result<Option<Decimal>, Fault> {
    let Some(raw) = raw.filter(|raw| !is_null(raw)) else {
        return Ok(None);
    };
    match fields::number(raw) {
        None => fault(name, "must be a number"),
        Some(raw) => json::decimal(raw).map_or_else(|| fault(name, "must be less than 7.9e28"), |cost| Ok(Some(cost))),
    }
}

/// `costDetails`: numbers that are not negative; what else is in it is left out.
fn costs(raw: Raw<'_>) -> Result<Cost, Fault> {
    let mut costs = Cost::new();
    for (name, raw) in map("body.costDetails", raw)? {
        if fields::number(raw).is_none() || raw.starts_with('-') && raw.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
        {
            continue;
        }
        if let Some(cost) = cost("body.costDetails", Some(raw))? {
            costs.push((name, cost));
        }
    }
    Ok(costs)
}

/// `usageDetails`: in one of two forms of OpenAI, or any map.
fn details(raw: Raw<'_>) -> Result<Usage, Fault> {
    let map = map("body.usageDetails", raw)?;
    let openai = |names: [&str; 5]| openai(&map, names);
    let known = openai([
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "prompt_tokens_details",
        "completion_tokens_details",
    ])
    .or_else(|| {
        openai([
            "input_tokens",
            "output_tokens",
            "total_tokens",
            "input_tokens_details",
            "output_tokens_details",
        ])
    });
    Ok(known.unwrap_or_else(|| {
        map.into_iter()
            .filter_map(|(name, raw)| Some((name, amount(raw)?)))
            .collect()
    }))
}

/// The entries of a map, each name once with its last value.
fn map<'a>(name: &str, raw: Raw<'a>) -> Result<Vec<(Text, &'a str)>, Fault> {
    match raw {
        None => Ok(Vec::new()),
        Some(raw) if is_null(raw) => Ok(Vec::new()),
        Some(raw) => json::texts(raw).map_or_else(|| fault(name, "must be an object"), Ok),
    }
}

/// The amounts of a map of exactly these names: input, output, total, and details of the first two. `None`: it has
/// others, lacks one of the first three, or holds something else than amounts.
fn openai(map: &[(Text, &str)], names: [&str; 5]) -> Option<Usage> {
    let mut values: [Raw<'_>; 5] = [None; 5];
    for (name, raw) in map {
        values[names.iter().position(|known| **known == **name)?] = Some(raw);
    }
    let mut sides = [whole(values[0]?)?, whole(values[1]?)?];
    let total = whole(values[2]?)?;
    let mut further = Usage::new();
    for ((side, prefix), raw) in sides.iter_mut().zip(["input_", "output_"]).zip([values[3], values[4]]) {
        let Some(raw) = raw.filter(|raw| !is_null(raw)) else {
            continue;
        };
        for (name, raw) in json::texts(raw)? {
            if is_null(raw) {
                continue;
            }
            let amount = whole(raw)?;
            *side = side.saturating_sub(amount);
            further.push((format!("{prefix}{name}").into(), amount));
        }
    }
    let mut usage: Usage = vec![
        ("input".into(), sides[0]),
        ("output".into(), sides[1]),
        ("total".into(), total),
    ];
    usage.extend(further);
    Some(usage)
}

fn whole(raw: &str) -> Option<u64> {
    u64::try_from(fields::whole(raw)?).ok()
}

/// A whole number that is not negative, or the one that a string begins with.
fn amount(raw: &str) -> Option<u64> {
    if !raw.starts_with('"') {
        return whole(raw);
    }
    let text = json::string(raw)?;
    let text = text.trim_start();
    let (is_negative, digits) = match text.strip_prefix(['+', '-']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text),
    };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let amount = digits[..end].parse().ok()?;
    (!is_negative || amount == 0).then_some(amount)
}
