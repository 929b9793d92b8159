//! Every column as ClickHouse reads it, and back.

use tracemill_model::Millis;
use tracemill_model::ingest::{EntityKind, Level, ObservationType, Row, Text};
use tracemill_sinks::rows::{Builder, FileLog, Refused, RowTable};
use tracemill_sources::stored::{history, lookup};

use crate::support::{Engine, batch, key, observation, score, trace, writer};

fn text(value: &str) -> Option<Text> {
    Some(value.into())
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(Text, Text)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect()
}

const ODD: &str = "a'b\\c\t\n\0\u{1}\u{7f} \u{1f9ea}\u{10ffff} \"q\" `x` {p:String} %00";

/// Rows with everything set, with nothing set, and with the extremes.
fn rows() -> Vec<Row> {
    let mut full = trace("p", "full");
    full.timestamp = Millis(-86_400_001);
    full.name = ODD.into();
    full.user_id = text("");
    full.metadata = pairs(&[("a", "1"), ("", ""), (ODD, ODD)]);
    full.release = text("r");
    full.version = text(ODD);
    full.public = true;
    full.bookmarked = true;
    full.tags = vec!["x".into(), "".into(), ODD.into()];
    full.input = Some("\u{1f9ea}x".repeat(1 << 20).into());
    full.output = text("{}");
    full.session_id = text("s");
    full.created_at = Millis(-1);
    full.updated_at = Millis(0);
    full.event_ts = Millis(4_102_444_799_999);
    full.is_deleted = true;
    let mut seen = observation("p", "full", "o-full");
    seen.ty = ObservationType::Guardrail;
    seen.parent_observation_id = text(ODD);
    seen.start_time = Millis(-2_208_988_800_000);
    seen.end_time = Some(Millis(-5));
    seen.completion_start_time = Some(Millis(9_223_372_036));
    seen.name = "n".into();
    seen.metadata = pairs(&[("m", ODD)]);
    seen.level = Level::Error;
    seen.status_message = text("");
    seen.version = text("v");
    seen.input = text(ODD);
    seen.output = text("");
    seen.provided_model_name = text("gpt");
    seen.internal_model_id = text("id");
    seen.model_parameters = text("{\"t\":1}");
    seen.provided_usage_details = vec![("input".into(), 0), ("big".into(), u64::MAX)];
    seen.usage_details = vec![("total".into(), 7)];
    let cost = |value: &str| value.parse().expect("a decimal");
    seen.provided_cost_details = vec![("input".into(), cost("999999.999999999999"))];
    seen.cost_details = vec![
        ("a".into(), cost("-999999.999999999999")),
        ("b".into(), cost("0.000000000001")),
    ];
    seen.total_cost = Some(cost("0"));
    seen.prompt_id = text("pid");
    seen.prompt_name = text("pn");
    seen.prompt_version = Some(u16::MAX);
    seen.usage_pricing_tier_id = text("t");
    seen.usage_pricing_tier_name = text("tn");
    seen.tool_definitions = pairs(&[("tool", "{}")]);
    seen.tool_calls = vec!["{}".into(), "".into()];
    seen.tool_call_names = vec!["tool".into()];
    let mut scored = score("p", Some("full"), "s-full");
    scored.session_id = text("se");
    scored.dataset_run_id = text("d");
    scored.observation_id = text("o");
    scored.name = ODD.into();
    scored.value = f64::MIN_POSITIVE;
    scored.comment = text(ODD);
    scored.metadata = pairs(&[("k", "v")]);
    scored.author_user_id = text("u");
    scored.config_id = text("c");
    scored.string_value = text("sv");
    scored.queue_id = text("q");
    scored.execution_trace_id = text("e");
    scored.long_string_value = ODD.into();
    vec![
        Row::Trace(Box::new(full)),
        Row::Trace(Box::new(trace("p", "bare"))),
        Row::Observation(Box::new(seen)),
        Row::Observation(Box::new(observation("p", "", "o-bare"))),
        Row::Score(Box::new(scored)),
        Row::Score(Box::new(score("p", None, "s-bare"))),
    ]
}

#[tokio::test]
async fn every_column_comes_back_as_it_was() {
    let engine = Engine::start().await;
    let service = engine.ingestion();
    let writer = writer(&service);
    let rows = rows();
    for pair in rows.chunks(2) {
        let written = writer.write(&batch(pair)).await;
        assert_eq!((written.rows, written.inserts, written.rejected), (2, 1, Vec::new()));
    }
    let keys: Vec<_> = rows.iter().map(Row::key).collect();
    let found = lookup(&service, &keys).await.expect("found");
    assert_eq!(found.len(), rows.len());
    for row in &rows {
        let stored = &found[&row.key()];
        assert!(stored.row == *row, "{}", row.key());
        assert_eq!(stored.others, []);
    }
    // Not only by our own reading.
    assert_eq!(
        engine
            .text("SELECT toString(timestamp, 'UTC') || '|' || toString(event_ts, 'UTC') FROM traces WHERE id = 'full'")
            .await,
        "1969-12-30 23:59:59.999|2099-12-31 23:59:59.999"
    );
    assert_eq!(
        engine
            .text("SELECT toString(cost_details) || toString(provided_usage_details) || assumeNotNull(toString(total_cost)) FROM observations WHERE id = 'o-full'")
            .await,
        "{'a':-999999.999999999999,'b':0.000000000001}{'input':0,'big':18446744073709551615}0"
    );
    assert_eq!(
        engine
            .count("SELECT length(assumeNotNull(input)) FROM traces WHERE id = 'full'")
            .await,
        5 << 20,
        "I-63: however long, nothing is cut"
    );
}

#[tokio::test]
async fn a_time_is_the_one_that_was_sent() {
    let engine = Engine::start().await;
    let mut row = trace("p", "t");
    row.timestamp = Millis::parse("2024-10-12T12:13:14.123Z").expect("a time");
    writer(&engine.ingestion())
        .write(&batch(&[Row::Trace(Box::new(row))]))
        .await;
    assert_eq!(
        engine.text("SELECT toString(timestamp, 'UTC') FROM traces").await,
        "2024-10-12 12:13:14.123",
        "I-17"
    );
}

#[tokio::test]
async fn lines_of_the_file_log_are_found_by_entity() {
    let engine = Engine::start().await;
    let service = engine.ingestion();
    let line = |id: &str, object: &str, at: i64| FileLog {
        key: key("p", EntityKind::Trace, id),
        event_id: object.into(),
        bucket: "bucket".into(),
        path: format!("raw/{object}").into(),
        at: Millis(at),
    };
    let mut builder = Builder::new(RowTable::FileLog);
    for line in [
        line("a'\n", "2", 20),
        line("a'\n", "1", 10),
        line("b", "2", 20),
        line("a'\n", "2", 20),
    ] {
        builder.push_log(&line).expect("a line");
    }
    let written = writer(&service).write(&builder.take()).await;
    assert_eq!((written.rows, written.rejected.len()), (4, 0));
    let keys = [key("p", EntityKind::Trace, "a'\n"), key("q", EntityKind::Trace, "b")];
    let found = history(&service, &keys).await.expect("found");
    assert_eq!(found.len(), 1, "the other project's is not ours");
    let objects: Vec<_> = found[&keys[0]]
        .iter()
        .map(|object| (&*object.path, object.created_at.0))
        .collect();
    assert_eq!(objects, [("raw/1", 10), ("raw/2", 20)]);
}

#[test]
fn an_amount_beyond_its_column_is_refused_and_leaves_nothing() {
    let mut row = observation("p", "t", "o");
    row.total_cost = Some("1000000".parse().expect("a decimal"));
    let mut builder = Builder::new(RowTable::Observations);
    let refused = builder.push(&Row::Observation(Box::new(row))).expect_err("refused");
    assert!(
        matches!(
            refused,
            Refused::Amount {
                column: "total_cost",
                ..
            }
        ),
        "{refused}"
    );
    assert!(builder.is_empty() && builder.bytes() == 0);
    assert!(builder.push(&Row::Trace(Box::new(trace("p", "t")))).is_err());
}
