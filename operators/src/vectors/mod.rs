//! The pinned behaviours from requests to rows: what a client sends, decoded, merged and priced, column by column.
//!
//! Each case carries its number: `I-17` is the 17th of the ingestion specification, `O-17` of the OpenTelemetry one. A case
//! is tried twice: all requests at once, and each on top of the row that the one before has stored.

#![allow(clippy::needless_pass_by_value, reason = "literals of JSON read better by value")]

mod clients;
mod events;
mod spans;
mod usage;

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use tracemill_model::Millis;
use tracemill_model::ingest::{Access, EntityKey, EntityKind, Origin, RawForm, Row, Sdk};

use crate::decode::events::{Limits, Rules, batch, object, scores};
use crate::decode::{Decoded, otlp};
use crate::merge::{Patch, fold};
use crate::price::Prices;

const NOW: Millis = Millis(1_772_100_000_000);

/// Columns of maps, which JSON has as lists of pairs.
const MAPS: [&str; 6] = [
    "metadata",
    "provided_usage_details",
    "usage_details",
    "provided_cost_details",
    "cost_details",
    "tool_definitions",
];

/// Requests (an array of events, an OTLP request, or a body's text), what they refuse, and what must come of them: columns of rows by `kind id`. Columns that are not named may be
/// anything; a row that is null must not be.
pub(super) struct Case {
    pub(super) number: &'static str,
    pub(super) requests: Vec<Json>,
    pub(super) refused: usize,
    pub(super) rows: Json,
}

/// A case of which nothing is refused.
pub(super) fn case(number: &'static str, requests: Vec<Json>, rows: Json) -> Case {
    Case {
        number,
        requests,
        refused: 0,
        rows,
    }
}

/// An event at that second of 2026-02-25T12:15.
pub(super) fn event(ty: &str, second: u32, body: Json) -> Json {
    json!({"id": format!("{ty}@{second}"), "type": ty, "timestamp": format!("2026-02-25T12:15:{second:02}.000Z"), "body": body})
}

/// An update of the trace `t`.
pub(super) fn trace(second: u32, mut body: Json) -> Json {
    body["id"] = json!("t");
    event("trace-create", second, body)
}

/// The generation `o`.
pub(super) fn create(second: u32, mut body: Json) -> Json {
    body["id"] = json!("o");
    event("generation-create", second, body)
}

/// An update of the generation `o`.
pub(super) fn update(second: u32, mut body: Json) -> Json {
    body["id"] = json!("o");
    event("generation-update", second, body)
}

/// The score `s` of the trace `t`.
pub(super) fn score(second: u32, mut body: Json) -> Json {
    (body["id"], body["name"], body["traceId"]) = (json!("s"), json!("n"), json!("t"));
    event("score-create", second, body)
}

/// Tries cases with these prices.
pub(super) fn check(prices: &Prices, cases: &[Case]) {
    for case in cases {
        let mut patches: BTreeMap<EntityKey, Vec<Patch>> = BTreeMap::new();
        let (mut stored, mut refused) = (BTreeMap::new(), 0);
        for (at, request) in (0..).zip(&case.requests) {
            let decoded = decode(case, request);
            refused += decoded.rejected.len();
            let mut new: BTreeMap<EntityKey, Vec<Patch>> = BTreeMap::new();
            for (index, event) in (0..).zip(decoded.events) {
                let origin = Origin {
                    received: Millis(1_772_021_800_000 + at),
                    object: format!("object-{at}").into(),
                    index,
                };
                let key = event.key(&"p".into());
                new.entry(key).or_default().push(Patch { event, origin });
            }
            for (key, new) in new {
                let row = merged(prices, &key, stored.get(&key), &new);
                stored.extend(row.map(|row| (key.clone(), row)));
                patches.entry(key).or_default().extend(new);
            }
        }
        assert_eq!(refused, case.refused, "{}: refused", case.number);
        let at_once = patches
            .iter()
            .filter_map(|(key, patches)| Some((key.clone(), merged(prices, key, None, patches)?)))
            .collect();
        compare(case, "at once", &at_once);
        compare(case, "one after the other", &stored);
    }
}

fn decode(case: &Case, request: &Json) -> Decoded {
    let bytes = match request {
        Json::String(body) => stored(body),
        events => events.to_string(),
    };
    let decoded = if bytes.starts_with('[') {
        object(bytes.as_bytes(), Access::Project, Rules::Public, &Limits::default()).map_err(|error| error.to_string())
    } else {
        let form = RawForm::OtlpJson;
        otlp::object(bytes.as_bytes(), form, NOW, &Sdk::default()).map_err(|error| error.to_string())
    };
    decoded.unwrap_or_else(|error| panic!("{}: {error}", case.number))
}

/// What the intake stores of a body.
fn stored(body: &str) -> String {
    let (limits, mut ids) = (Limits::default(), 0..);
    let id = || format!("id-{:?}", ids.next()).into();
    let batch = if body.starts_with('[') {
        scores(body.as_bytes(), Access::Scores, NOW, id, &limits)
    } else {
        batch(body.as_bytes(), Access::Project, &limits)
    };
    let batch = batch.expect("a body");
    assert_eq!(batch.rejected, [], "refused at the intake");
    String::from_utf8(batch.raw_object().expect("events")).expect("text")
}

fn merged(prices: &Prices, key: &EntityKey, stored: Option<&Row>, patches: &[Patch]) -> Option<Row> {
    let mut patches: Vec<&Patch> = patches.iter().collect();
    patches.sort();
    let mut row = fold(key, stored, &patches, NOW)?;
    if let Row::Observation(row) = &mut row {
        prices.price("p", row);
    }
    Some(row)
}

fn compare(case: &Case, how: &str, rows: &BTreeMap<EntityKey, Row>) {
    for (name, expected) in case.rows.as_object().expect("rows by name") {
        let (kind, id) = name.split_once(' ').expect("a kind and an id");
        let kind = EntityKind::parse(kind).expect("a kind");
        let found = rows.iter().find(|(key, _)| key.kind == kind && *key.id == *id);
        let found = found.map_or(Json::Null, |(_, row)| columns(row));
        if expected.is_null() || found.is_null() {
            assert_eq!(&found, expected, "{}, {how}: {name}", case.number);
        }
        for (column, expected) in expected.as_object().into_iter().flatten() {
            assert_eq!(&found[column], expected, "{}, {how}: {column} of {name}", case.number);
        }
    }
}

/// A row as an object of its columns: times and decimals as texts, the latter without needless zeros, maps as objects.
fn columns(row: &Row) -> Json {
    let json = match row {
        Row::Trace(row) => serde_json::to_value(row),
        Row::Observation(row) => serde_json::to_value(row),
        Row::Score(row) => serde_json::to_value(row),
    };
    let mut json = json.expect("a row is JSON");
    if let Row::Observation(row) = row {
        json["type"] = json!(row.ty.upper());
        json["total_cost"] = json!(row.total_cost.map(|cost| cost.normalize().to_string()));
        for (column, costs) in [
            ("cost_details", &row.cost_details),
            ("provided_cost_details", &row.provided_cost_details),
        ] {
            let costs: Vec<_> = costs
                .iter()
                .map(|(name, cost)| json!([name, cost.normalize().to_string()]))
                .collect();
            json[column] = json!(costs);
        }
    }
    for column in MAPS {
        if let Some(pairs) = json.get_mut(column) {
            let entries = pairs.as_array().into_iter().flatten();
            *pairs = entries
                .map(|pair| (pair[0].as_str().expect("a name").to_owned(), pair[1].clone()))
                .collect::<serde_json::Map<_, _>>()
                .into();
        }
    }
    json
}
