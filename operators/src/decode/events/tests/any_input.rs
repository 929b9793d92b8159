//! No input panics, hangs or exhausts the stack; and what intake takes is what is read later.

use proptest::prelude::*;
use tracemill_model::Millis;
use tracemill_model::ingest::Access;

use super::super::{Limits, Rules, Single, batch, object, scores, single};
use super::{event, request};

const CLIENT: &str = include_str!("../fixtures/python2.json");

/// Reads bytes in every way.
fn read_all(bytes: &[u8]) {
    let limits = Limits::default();
    let at = Millis(0);
    if let Ok(batch) = batch(bytes, Access::Project, &limits)
        && let Some(raw) = batch.raw_object()
    {
        let stored = object(&raw, Access::Project, Rules::Public, &limits).unwrap();
        assert_eq!((stored.events.len(), stored.rejected.len()), (batch.accepted.len(), 0));
        for (event, accepted) in stored.events.iter().zip(&batch.accepted) {
            assert_eq!(
                (&event.id, event.kind, event.at),
                (&accepted.id, accepted.kind, accepted.at)
            );
            assert_eq!(*event.body.id(), accepted.entity);
        }
    }
    let _ = object(bytes, Access::Scores, Rules::Internal, &limits);
    let _ = single(Single::GenerationUpdate, bytes, "i", at, Access::Project, &limits);
    if let Ok(batch) = scores(bytes, Access::Scores, at, || "i".into(), &limits)
        && let Some(raw) = batch.raw_object()
    {
        let stored = object(&raw, Access::Scores, Rules::Public, &limits).unwrap();
        assert_eq!((stored.events.len(), stored.rejected.len()), (batch.accepted.len(), 0));
    }
}

fn json() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just(r#""2026-02-25T12:15:00Z""#.to_owned()),
        Just(r#""GENERATION""#.to_owned()),
        any::<f64>().prop_filter_map("finite", |number| number.is_finite().then(|| format!("{number:e}"))),
        any::<i64>().prop_map(|number| number.to_string()),
        "\\PC{0,6}".prop_map(|text| serde_json::Value::from(text).to_string()),
    ];
    let name = prop_oneof![
        Just("input"),
        Just("usage"),
        Just("total"),
        Just("usageDetails"),
        Just("prompt_tokens"),
        Just("completion_tokens"),
        Just("total_tokens"),
        Just("prompt_tokens_details"),
        Just("costDetails"),
        Just("id"),
        Just("type"),
        Just("name"),
        Just("value"),
        Just("traceId"),
        Just("metadata"),
        Just("modelParameters"),
        Just("tags"),
        Just("timestamp"),
    ];
    scalar.prop_recursive(4, 24, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(" , "))),
            prop::collection::vec((name.clone(), inner), 0..6).prop_map(|entries| {
                let entries: Vec<String> = entries
                    .into_iter()
                    .map(|(name, value)| format!("\"{name}\": {value}"))
                    .collect();
                format!("{{{}}}", entries.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_all(&bytes);
    }

    #[test]
    fn a_request_with_changed_bytes(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in any::<prop::sample::Index>(), is_cut in any::<bool>()) {
        let mut bytes = CLIENT.as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        read_all(&bytes);
    }

    #[test]
    fn events_of_any_values(bodies in prop::collection::vec(("(trace|score|span|generation|event|observation)-(create|update)", json()), 0..4)) {
        let events: Vec<String> = bodies.iter().map(|(ty, body)| event(ty, body)).collect();
        read_all(request(&events).as_bytes());
    }
}

#[test]
fn deep_nesting_needs_no_stack() {
    for field in [
        "input",
        "metadata",
        "modelParameters",
        "usage",
        "usageDetails",
        "costDetails",
        "tags",
        "id",
        "environment",
        "value",
    ] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let count = 1_000_000 / open.len();
            let deep = format!("{}1{}", open.repeat(count), close.repeat(count));
            for body in [format!(r#"{{"{field}":{deep}}}"#), deep] {
                let text = request(&[event("generation-create", &body), event("trace-create", "{}")]);
                let batch = batch(text.as_bytes(), Access::Project, &Limits::default()).unwrap();
                assert_eq!((batch.successes.len(), batch.rejected.len()), (1, 1));
                let unbounded = Limits {
                    depth: usize::MAX,
                    ..Limits::default()
                };
                let _ = object(
                    event("trace-create", &body).as_bytes(),
                    Access::Project,
                    Rules::Public,
                    &unbounded,
                )
                .unwrap();
            }
        }
        read_all("[".repeat(1_000_000).as_bytes());
    }
}
