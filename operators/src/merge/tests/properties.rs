//! Whatever the order of arrival, and whatever was stored on the way, the row is the same.

use proptest::prelude::*;
use tracemill_model::Millis;
use tracemill_model::ingest::*;

use super::super::Patch;
use super::build::*;

fn field(texts: &'static [&'static str]) -> impl Strategy<Value = Field<Text>> {
    prop_oneof![
        3 => Just(Field::Absent),
        1 => Just(Field::Null),
        3 => proptest::sample::select(texts).prop_map(val),
    ]
}

fn maybe(texts: &'static [&'static str]) -> impl Strategy<Value = Option<Text>> {
    proptest::option::of(proptest::sample::select(texts).prop_map(Text::from))
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let leaf = prop_oneof![
        Just("1".to_owned()),
        Just("null".to_owned()),
        Just(r#""s""#.to_owned()),
        Just(r#""{\"x\":1}""#.to_owned())
    ];
    let json = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(","))),
            proptest::collection::btree_map("[xyz]", inner, 0..3).prop_map(|entries| {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(name, value)| format!("\"{name}\":{value}"))
                    .collect();
                format!("{{{}}}", entries.join(","))
            }),
        ]
    });
    proptest::collection::vec((proptest::sample::select(&["a", "b", "c", "d"][..]), json), 0..4).prop_map(|entries| {
        let entries: Vec<String> = entries
            .iter()
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        meta(&format!("{{{}}}", entries.join(",")))
    })
}

const TEXTS: &[&str] = &["", "u", "v", "w"];

fn traces() -> impl Strategy<Value = Vec<Patch>> {
    let one = (
        proptest::sample::select(&[Rank::Stub, Rank::Part, Rank::Whole][..]),
        0i64..4,
        proptest::option::of(0i64..9000),
        (field(TEXTS), field(TEXTS), field(TEXTS)),
        (maybe(TEXTS), maybe(TEXTS), proptest::option::of(any::<bool>())),
        metadata(),
        proptest::collection::vec(proptest::sample::select(TEXTS), 0..3),
    );
    proptest::collection::vec(one, 1..7).prop_map(|list| {
        let patches = list.into_iter().zip(0..).map(
            |((rank, at, time, (name, user_id, version), io, metadata, tags), index)| {
                let (input, environment, public) = io;
                let body = TraceBody {
                    timestamp: time.map(Millis),
                    name,
                    user_id,
                    version,
                    input,
                    environment,
                    public,
                    metadata,
                    tags: texts(&tags),
                    ..TraceBody::default()
                };
                let mut patch = trace(at, index, body);
                patch.event.rank = rank;
                patch
            },
        );
        patches.collect()
    })
}

fn observations() -> impl Strategy<Value = Vec<Patch>> {
    let level = prop_oneof![Just(Field::Absent), Just(Field::Null), Just(Field::Value(Level::Error))];
    let inputs = &[
        "plain",
        r#"{"tools":[{"name":"a"}]}"#,
        r#"{"tool_calls":[{"name":"b"}]}"#,
    ];
    let one = (
        (
            any::<bool>(),
            0i64..4,
            proptest::sample::select(&ObservationType::ALL[..2]),
        ),
        (maybe(TEXTS), maybe(TEXTS), maybe(inputs), maybe(inputs)),
        (proptest::option::of(0i64..9000), proptest::option::of(0i64..9000)),
        (field(TEXTS), field(TEXTS), level),
        proptest::collection::vec((Just(Text::from("input")), 0u64..5), 0..2),
        metadata(),
        (maybe(TEXTS), proptest::option::of(0u16..3)),
    );
    proptest::collection::vec(one, 1..7).prop_map(|list| {
        let patches = list.into_iter().zip(0..).map(|(one, index)| {
            let ((is_update, at, ty), (trace_id, version, input, output), times, fields, usage, metadata, prompt) = one;
            let body = ObservationBody {
                trace_id,
                version,
                input,
                output,
                start_time: times.0.map(Millis),
                end_time: times.1.map(Millis),
                name: fields.0,
                model: fields.1,
                level: fields.2,
                usage,
                metadata,
                prompt_name: prompt.0,
                prompt_version: prompt.1,
                ..ObservationBody::default()
            };
            if is_update {
                update(ty, at, index, body)
            } else {
                create(ty, at, index, body)
            }
        });
        patches.collect()
    })
}

/// The time of creation is the stored row's.
fn created_as(mut row: Row, full: &Row) -> Row {
    match (&mut row, full) {
        (Row::Trace(row), Row::Trace(full)) => row.created_at = full.created_at,
        (Row::Observation(row), Row::Observation(full)) => row.created_at = full.created_at,
        _ => {}
    }
    row
}

fn check(kind: EntityKind, patches: &[Patch], stored: &[bool]) -> Result<(), TestCaseError> {
    let full = folded(kind, None, patches).unwrap();
    let mut shuffled = patches.to_vec();
    shuffled.reverse();
    shuffled.extend_from_slice(patches);
    let row = folded(kind, None, &shuffled);
    prop_assert_eq!(row.as_ref(), Some(&full));
    let first: Vec<Patch> = patches
        .iter()
        .zip(stored)
        .filter(|(_, is)| **is)
        .map(|(patch, _)| patch.clone())
        .collect();
    if let Some(row) = folded(kind, None, &first) {
        let row = created_as(row, &full);
        let row = folded(kind, Some(&row), patches);
        prop_assert_eq!(row.as_ref(), Some(&full));
    }
    let row = folded(kind, Some(&full), patches);
    prop_assert_eq!(row.as_ref(), Some(&full));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn traces_do_not_depend_on_arrival(patches in traces(), stored in proptest::collection::vec(any::<bool>(), 7)) {
        check(EntityKind::Trace, &patches, &stored)?;
    }

    #[test]
    fn observations_do_not_depend_on_arrival(patches in observations(), stored in proptest::collection::vec(any::<bool>(), 7)) {
        check(EntityKind::Observation, &patches, &stored)?;
    }
}
