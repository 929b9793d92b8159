use tracemill_model::Millis;
use tracemill_model::ingest::*;

use super::build::*;

fn body(value: ScoreValue) -> ScoreBody {
    ScoreBody {
        id: "s".into(),
        name: "n".into(),
        trace_id: some("t"),
        session_id: Field::Absent,
        dataset_run_id: Field::Absent,
        observation_id: Field::Absent,
        environment: None,
        value,
        data_type: None,
        source: ScoreSource::Api,
        comment: Field::Absent,
        metadata: Metadata::new(),
        config_id: Field::Absent,
        queue_id: Field::Absent,
        execution_trace_id: Field::Absent,
    }
}

fn row(stored: Option<&ScoreRow>, patches: &[super::super::Patch]) -> Option<ScoreRow> {
    let stored = stored.map(|row| Row::Score(Box::new(row.clone())));
    match folded(EntityKind::Score, stored.as_ref(), patches)? {
        Row::Score(row) => Some(*row),
        other => panic!("{other:?}"),
    }
}

fn text(text: &str) -> ScoreValue {
    ScoreValue::Text(text.into())
}

#[test]
fn example_11_update() {
    let first = ScoreBody {
        comment: val("x"),
        metadata: meta(r#"{"a":1}"#),
        ..body(ScoreValue::Number(1.0))
    };
    let second = ScoreBody {
        comment: Field::Null,
        metadata: meta(r#"{"b":2}"#),
        trace_id: some("t2"),
        ..body(text("cat"))
    };
    let row = row(None, &[score(1, 0, first), score(2, 1, second)]).unwrap();
    assert_eq!(
        (row.value, row.string_value, &*row.data_type),
        (0.0, some("cat"), "CATEGORICAL")
    );
    assert_eq!(
        (row.comment, row.metadata),
        (None, pairs(&[("a", "1"), ("b", "2")])),
        "I-12"
    );
    assert_eq!((row.trace_id, row.timestamp), (some("t"), Millis(1000)), "I-18");
}

#[test]
fn rule_s4_values_by_type() {
    let number = ScoreValue::Number;
    for (ty, value, expected) in [
        (None, number(0.5), Some((0.5, None, "", "NUMERIC"))),
        (None, text("a"), Some((0.0, some("a"), "", "CATEGORICAL"))),
        (
            Some(ScoreType::Boolean),
            number(1.0),
            Some((1.0, some("True"), "", "BOOLEAN")),
        ),
        (
            Some(ScoreType::Boolean),
            number(0.0),
            Some((0.0, some("False"), "", "BOOLEAN")),
        ),
        (
            Some(ScoreType::Correction),
            text("better"),
            Some((0.0, None, "better", "CORRECTION")),
        ),
        (Some(ScoreType::Boolean), number(2.0), None),
        (Some(ScoreType::Numeric), text("1"), None),
        (Some(ScoreType::Categorical), number(1.0), None),
        (Some(ScoreType::Correction), number(1.0), None),
    ] {
        let sent = ScoreBody {
            data_type: ty,
            ..body(value)
        };
        let row = row(None, &[score(1, 0, sent)]);
        let name = if ty == Some(ScoreType::Correction) {
            "output"
        } else {
            "n"
        };
        let got = row.map(|row| {
            assert_eq!(&*row.name, name);
            (
                row.value,
                row.string_value,
                row.long_string_value.to_string(),
                row.data_type.to_string(),
            )
        });
        let expected = expected.map(|(value, text, long, ty)| (value, text, long.to_owned(), ty.to_owned()));
        assert_eq!(got, expected, "{ty:?}");
    }
    let of_session = ScoreBody {
        session_id: val("s"),
        data_type: Some(ScoreType::Correction),
        ..body(text("better"))
    };
    assert_eq!(row(None, &[score(1, 0, of_session)]), None);
}

#[test]
fn rule_s6() {
    let with_config = ScoreBody {
        config_id: val("c"),
        queue_id: val("q"),
        ..body(ScoreValue::Number(100.5))
    };
    let stored = row(None, &[score(1, 0, with_config.clone())]).unwrap();
    assert_eq!(
        (stored.value, stored.config_id.clone(), stored.queue_id.clone()),
        (100.5, some("c"), some("q")),
        "I-29"
    );
    let wrong = ScoreBody {
        data_type: Some(ScoreType::Boolean),
        name: "wrong".into(),
        ..body(ScoreValue::Number(3.0))
    };
    let one = row(None, &[score(2, 1, wrong.clone()), score(1, 0, with_config)]).unwrap();
    // The reference also rejects by the config, which is not known here; what contradicts itself makes no row.
    assert_eq!((&*one.name, one.timestamp), ("n", Millis(1000)), "I-30");
    // The reference's job fails for good: D-29.
    assert_eq!(row(None, &[score(2, 1, wrong.clone())]), None);
    let again = row(
        Some(&ScoreRow {
            event_ts: Millis(1),
            ..stored.clone()
        }),
        &[score(2, 1, wrong)],
    );
    assert_eq!(again, Some(stored), "S6: written again with a new version");
}
