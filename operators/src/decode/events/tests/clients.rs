//! Requests of real clients, as they were sent, and what reading costs.

use tracemill_model::Millis;
use tracemill_model::ingest::{Access, Body, Event, EventKind, Field, ObservationType, ScoreType, ScoreValue};

use super::super::{Batch, Limits, Rules, batch, object, scores};
use super::{event, request};

const PYTHON_2: &str = include_str!("../fixtures/python2.json");
const JS_3: &str = include_str!("../fixtures/js3.json");
const PYTHON_3_SCORES: &str = include_str!("../../../../../tests/fixtures/sdk/11-python3-scores-ingestion.json");
const PYTHON_5_SCORES: &str = include_str!("../../../../../tests/fixtures/sdk/12-python5-scores.json");

fn read(batch: &Batch<'_>) -> Vec<Event> {
    assert_eq!(batch.rejected, []);
    assert_eq!(batch.successes.len(), batch.accepted.len());
    let decoded = object(
        &batch.raw_object().unwrap(),
        Access::Project,
        Rules::Public,
        &Limits::default(),
    )
    .unwrap();
    assert_eq!(decoded.rejected, []);
    assert_eq!(decoded.events.len(), batch.accepted.len());
    decoded.events
}

fn kinds(events: &[Event]) -> Vec<String> {
    let mut kinds: Vec<String> = events.iter().map(|event| event.kind.to_string()).collect();
    kinds.sort();
    kinds
}

#[test]
fn python_2() {
    let events = read(&batch(PYTHON_2.as_bytes(), Access::Project, &Limits::default()).unwrap());
    assert_eq!(
        kinds(&events),
        [
            "event-create",
            "generation-create",
            "generation-update",
            "score-create",
            "score-create",
            "span-create",
            "span-update",
            "span-update",
            "trace-create",
            "trace-create"
        ]
    );
    let ended = EventKind::ObservationUpdate(ObservationType::Generation);
    let Some(Body::Observation(body)) = events.iter().find(|event| event.kind == ended).map(|event| &event.body) else {
        panic!("no generation ended");
    };
    assert_eq!(body.output.as_deref(), Some("done"));
    assert_eq!(
        body.usage,
        [("input".into(), 3), ("output".into(), 5), ("cached".into(), 1)]
    );
    assert_eq!(body.cost.len(), 2);
    // Defect D-17: a span that answered `false`.
    let is_false =
        |event: &Event| matches!(&event.body, Body::Observation(body) if body.output.as_deref() == Some("false"));
    assert!(events.iter().any(is_false));
}

#[test]
fn js_3() {
    let events = read(&batch(JS_3.as_bytes(), Access::Project, &Limits::default()).unwrap());
    let kinds = kinds(&events);
    for kind in [
        "trace-create",
        "span-create",
        "span-update",
        "generation-create",
        "generation-update",
        "score-create",
    ] {
        assert!(kinds.iter().any(|known| known == kind), "{kind} in {kinds:?}");
    }
    let created = EventKind::ObservationCreate(ObservationType::Generation);
    let Some(Body::Observation(body)) = events
        .iter()
        .find(|event| event.kind == created)
        .map(|event| &event.body)
    else {
        panic!("no generation");
    };
    assert_eq!(body.model, Field::Value("gpt-4o".into()));
    assert_eq!(
        body.usage,
        [("input".into(), 3), ("output".into(), 4), ("total".into(), 7)]
    );
}

#[test]
fn scores_of_python_3_and_5_are_the_same() {
    let body = |events: &[Event]| -> Vec<(ScoreValue, Option<ScoreType>)> {
        let score = |event: &Event| match &event.body {
            Body::Score(body) => (body.value.clone(), body.data_type),
            other => panic!("{other:?}"),
        };
        events.iter().map(score).collect()
    };
    let batched = read(&batch(PYTHON_3_SCORES.as_bytes(), Access::Scores, &Limits::default()).unwrap());
    let mut ids = 0;
    let id = || {
        ids += 1;
        format!("{ids}").into()
    };
    let array = scores(
        PYTHON_5_SCORES.as_bytes(),
        Access::Scores,
        Millis(0),
        id,
        &Limits::default(),
    )
    .unwrap();
    let array = read(&array);
    assert_eq!((batched.len(), array.len()), (4, 4));
    assert_eq!(body(&batched), body(&array));
    assert!(array.iter().all(|event| event.at > Millis(0)), "each has its own time");
}

/// What reading an event costs: run it alone, as a release build, with its output shown.
#[test]
#[ignore = "a measurement"]
fn cost_of_an_event() {
    let text = "the quick brown fox jumps over the lazy dog \\\"twice\\\"\\n ".repeat(14);
    let body = format!(
        r#"{{"id":"7f0c9f0e-8c8e-4a57-9d0e-2f7d5a5f0001","traceId":"7f0c9f0e-8c8e-4a57-9d0e-2f7d5a5f0002","name":"answer",
        "startTime":"2026-02-25T12:15:00.123456Z","endTime":"2026-02-25T12:15:01.123456Z","environment":"production",
        "metadata":{{"user":"u-1","step":3,"nested":{{"a":[1,2,3]}}}},"model":"gpt-4o","modelParameters":{{"temperature":0.7}},
        "usage":{{"input":100,"output":200,"total":300,"unit":"TOKENS"}},"usageDetails":{{"input":100,"output":200,"total":300}},
        "input":[{{"role":"user","content":"{text}"}}],"output":"{text}"}}"#
    );
    let one = event("generation-create", &body);
    let text = request(&vec![one.clone(); 1000]);
    let limits = Limits::default();
    let raw = batch(text.as_bytes(), Access::Project, &limits)
        .unwrap()
        .raw_object()
        .unwrap();
    let (mut intake, mut decode) = (f64::MAX, f64::MAX);
    for _ in 0..50 {
        let start = std::time::Instant::now();
        let taken = batch(text.as_bytes(), Access::Project, &limits).unwrap();
        assert_eq!(std::hint::black_box(&taken).accepted.len(), 1000);
        intake = intake.min(start.elapsed().as_secs_f64());
        let start = std::time::Instant::now();
        let decoded = object(&raw, Access::Project, Rules::Public, &limits).unwrap();
        assert_eq!(std::hint::black_box(&decoded).events.len(), 1000);
        decode = decode.min(start.elapsed().as_secs_f64());
    }
    println!(
        "{} bytes an event: intake {:.2} us, decode {:.2} us",
        one.len(),
        intake * 1e3,
        decode * 1e3
    );
}
