//! Whole requests: what is answered, and what is stored.

use tracemill_model::Millis;
use tracemill_model::ingest::{Access, EventKind, ObservationType, Text};

use super::super::{BatchError, Limits, Rules, Single, batch, object, scores, single};
use super::{AT, event, request, score, take};
use crate::decode::Why;

const LIMITS: Limits = Limits {
    events: 3,
    depth: 128,
    id: 800,
};

fn ids() -> impl FnMut() -> Text {
    let mut count = 0;
    move || {
        count += 1;
        format!("id-{count}").into()
    }
}

#[test]
fn an_empty_batch() {
    let batch = take(&[]);
    assert!(batch.successes.is_empty() && batch.rejected.is_empty(), "I-1");
    assert_eq!(batch.raw_object(), None);
}

#[test]
fn bodies_of_which_nothing_can_be_taken() {
    for (body, expected) in [
        ("", "batch: must be an array"),
        ("  ", "batch: must be an array"),
        ("{}", "batch: must be an array"),
        (r#"{"batch":null}"#, "batch: must be an array"),
        (r#"{"batch":{}}"#, "batch: must be an array"),
        (r#"{"batch":[],"batch":1}"#, "batch: must be an array"),
        ("[]", "body: must be an object"),
        (r#""batch""#, "body: must be an object"),
    ] {
        let error = batch(body.as_bytes(), Access::Project, &LIMITS).unwrap_err();
        assert!(matches!(error, BatchError::Shape(_)), "{body}");
        assert_eq!(error.to_string(), expected, "{body}");
    }
    for body in [
        &b"{\"batch\":["[..],
        b"{\"batch\":[]} x",
        b"\xff",
        b"{\"batch\":[\"\xc3\"]}",
        b"{'batch':[]}",
    ] {
        assert!(matches!(
            batch(body, Access::Project, &LIMITS),
            Err(BatchError::Json(_))
        ));
    }
    let events = vec!["1".to_owned(); 4];
    assert_eq!(
        batch(request(&events).as_bytes(), Access::Project, &LIMITS),
        Err(BatchError::TooMany { limit: 3 })
    );
}

#[test]
fn one_bad_event_is_one_error() {
    let events = [
        r#"{"id":"a","type":"trace-create","timestamp":"2026-02-25T12:15:00Z","body":{}}"#,
        r#"{"type":"trace-create"}"#,
        "7",
        "[[1]]",
        r#""text \ud800""#,
        "1e999",
        r#"{"id":9}"#,
        r#"{"id":"c","type":"unknown","timestamp":"2026-02-25T12:15:00Z","body":{}}"#,
        r#"{"id":"d","type":"trace-create","timestamp":"yesterday","body":{}}"#,
        r#"{"id":"e","type":"trace-create","timestamp":"2026-02-25T12:15:00Z","body":[]}"#,
        r#"{"id":"f","type":"trace-create","timestamp":"2026-02-25T12:15:00Z","body":{"\u0069d":"t","id":"x","id":"y"}}"#,
    ];
    let batch = take(&events.map(str::to_owned));
    assert_eq!(batch.successes, ["a".into(), "f".into()]);
    assert_eq!(
        batch.accepted.iter().map(|event| &*event.entity).collect::<Vec<_>>(),
        ["a", "y"]
    );
    assert_eq!(
        batch.raw_object().unwrap(),
        format!("[{},{}]", events[0], events[10]).as_bytes()
    );
    let rejected: Vec<(u32, &str, &str)> = batch
        .rejected
        .iter()
        .map(|rejected| (rejected.index, &*rejected.id, &*rejected.reason))
        .collect();
    let time = "timestamp: must be a date and time with an offset, as 2026-02-25T12:15:00.000Z";
    assert_eq!(
        rejected,
        [
            (1, "unknown", "id: must be there"),
            (2, "unknown", "event: must be an object"),
            (3, "unknown", "event: must be an object"),
            (4, "unknown", "event: must be an object"),
            (5, "unknown", "event: must be an object"),
            (6, "unknown", "id: must be a string"),
            (7, "c", "type: must be a type of event that clients may send"),
            (8, "d", time),
            (9, "e", "body: must be an object"),
        ]
    );
}

#[test]
fn a_key_without_its_secret_writes_scores_alone() {
    let events = [
        event("trace-create", "{}"),
        event("score-create", r#"{"name":"s","value":1,"traceId":"t"}"#),
        event("sdk-log", r#"{"log":"hello"}"#),
        event("trace-create", r#"{"name":1}"#),
    ];
    let body = request(&events);
    let batch = batch(body.as_bytes(), Access::Scores, &Limits::default()).unwrap();
    assert_eq!(batch.successes.len(), 2);
    assert_eq!((batch.accepted.len(), batch.logs.len()), (1, 1));
    let rejected: Vec<_> = batch
        .rejected
        .iter()
        .map(|rejected| (rejected.index, rejected.why))
        .collect();
    // What is not valid comes first, then what the key may not write.
    assert_eq!(rejected, [(3, Why::Invalid), (0, Why::Scope)]);
    assert_eq!(batch.rejected[1].reason, "Access Scope Denied");
}

#[test]
fn defect_d_10_logs_are_answered_and_not_stored() {
    let batch = take(&[
        event("sdk-log", r#"{"log":{"a":1}}"#),
        event("sdk-log", r#"{"log":null}"#),
    ]);
    assert_eq!(
        (batch.successes.len(), batch.accepted.len(), batch.rejected.len()),
        (1, 0, 1)
    );
    assert_eq!(batch.raw_object(), None);
}

#[test]
fn runs_of_datasets_are_not_taken() {
    let item = event("dataset-run-item-create", r#"{"traceId":"t"}"#);
    let batch = take(std::slice::from_ref(&item));
    assert_eq!(batch.rejected.len(), 1);
    let stored = format!("[{item},{}]", event("trace-create", "{}"));
    let decoded = object(stored.as_bytes(), Access::Project, Rules::Internal, &LIMITS).unwrap();
    assert_eq!(decoded.events.len(), 1);
    assert_eq!(
        decoded.rejected[0].reason,
        "type: dataset-run-item-create is not supported"
    );
}

#[test]
fn stored_objects_are_an_array_or_one() {
    let one = event("trace-create", r#"{"environment":"langfuse-evaluation"}"#);
    for text in [one.clone(), format!(" [ {one} ] ")] {
        let internal = object(text.as_bytes(), Access::Project, Rules::Internal, &LIMITS).unwrap();
        assert_eq!((internal.events.len(), internal.rejected.len()), (1, 0));
        let public = object(text.as_bytes(), Access::Project, Rules::Public, &LIMITS).unwrap();
        assert_eq!((public.events.len(), public.rejected.len()), (0, 1));
    }
    for text in ["", "1", "null", "[", "{} {}"] {
        assert!(
            object(text.as_bytes(), Access::Project, Rules::Internal, &LIMITS).is_err(),
            "{text}"
        );
    }
}

#[test]
fn what_the_reference_stored_reads_as_what_was_sent() {
    let read = |body: &str, rules| {
        let text = event("generation-create", body);
        object(text.as_bytes(), Access::Project, rules, &LIMITS).unwrap()
    };
    let sent = r#"{"id":"o","usage":{"promptTokens":3,"completionTokens":4,"totalTokens":7},
        "usageDetails":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7,"prompt_tokens_details":{"cached":1}}}"#;
    let stored = r#"{"id":"o","environment":"default","usage":{"input":3,"output":4,"total":7,"unit":"TOKENS"},
        "usageDetails":{"input":4,"output":2,"total":7,"input_cached":1}}"#;
    let (sent, stored) = (read(sent, Rules::Public), read(stored, Rules::Internal));
    assert_eq!((sent.events.len(), stored.events.len()), (1, 1));
    let usage = |decoded: &crate::decode::Decoded| match &decoded.events[0].body {
        tracemill_model::ingest::Body::Observation(body) => body.usage.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(usage(&sent), usage(&stored));
    // A score of a screen: the row's number and its text.
    let text = event(
        "score-create",
        r#"{"id":"s","name":"n","traceId":"t","value":2,"stringValue":"good","dataType":"CATEGORICAL","source":"ANNOTATION"}"#,
    );
    let decoded = object(text.as_bytes(), Access::Project, Rules::Internal, &LIMITS).unwrap();
    assert_eq!((decoded.events.len(), decoded.rejected.len()), (1, 0));
}

#[test]
fn scores_get_envelopes() {
    let received = Millis(1_772_021_700_000);
    let body = r#"[{"id":"s1","name":"a","value":1,"traceId":"t","timestamp":"2026-02-25T12:00:00.5Z"},
        {"name":"b","value":"x","sessionId":"s"}, 3, {"name":"c","value":1,"traceId":"t","timestamp":"no"}]"#;
    let limits = Limits::default();
    let batch = scores(body.as_bytes(), Access::Scores, received, ids(), &limits).unwrap();
    let taken: Vec<_> = batch
        .accepted
        .iter()
        .map(|event| (&*event.id, &*event.entity, event.at.0))
        .collect();
    assert_eq!(
        taken,
        [("id-1", "s1", 1_772_020_800_500), ("id-2", "id-2", 1_772_021_700_000)]
    );
    let rejected: Vec<_> = batch
        .rejected
        .iter()
        .map(|rejected| (rejected.index, &*rejected.reason))
        .collect();
    assert_eq!(rejected[0], (2, "body: must be an object"));
    assert_eq!(rejected[1].0, 3);
    // Stored, they are what a batch would have stored.
    let decoded = object(&batch.raw_object().unwrap(), Access::Scores, Rules::Public, &limits).unwrap();
    assert_eq!(
        decoded.events[1].body,
        take_body(r#"{"id":"id-2","name":"b","value":"x","sessionId":"s"}"#)
    );
    let one = scores(
        br#"{"name":"b","value":0,"traceId":"t"}"#,
        Access::Project,
        received,
        ids(),
        &limits,
    )
    .unwrap();
    assert_eq!(one.accepted.len(), 1);
    for body in ["1", "null", r#""x""#] {
        assert!(scores(body.as_bytes(), Access::Project, received, ids(), &limits).is_err());
    }
    let many = format!("[{}]", ["{}"; 4].join(","));
    assert_eq!(
        scores(many.as_bytes(), Access::Project, received, ids(), &LIMITS),
        Err(BatchError::TooMany { limit: 3 })
    );
}

fn take_body(body: &str) -> tracemill_model::ingest::Body {
    tracemill_model::ingest::Body::Score(Box::new(score(body)))
}

#[test]
fn the_older_routes() {
    use EventKind::{ObservationCreate, ObservationUpdate, TraceCreate};
    use ObservationType::{Event, Generation, Span};
    let received: Millis = Millis::parse(AT).unwrap();
    for (route, kind) in [
        (Single::Trace, TraceCreate),
        (Single::SpanCreate, ObservationCreate(Span)),
        (Single::SpanUpdate, ObservationUpdate(Span)),
        (Single::GenerationCreate, ObservationCreate(Generation)),
        (Single::GenerationUpdate, ObservationUpdate(Generation)),
        (Single::Event, ObservationCreate(Event)),
    ] {
        for (body, entity) in [
            ("{}", "new \"id\""),
            (r#" { "id":"x" , "type":"NOTHING" } "#, "x"),
            (r#"{"type":{}, "id":"}"}"#, "}"),
        ] {
            let batch = single(route, body.as_bytes(), "new \"id\"", received, Access::Project, &LIMITS).unwrap();
            assert!(batch.rejected.is_empty(), "{route:?} {body} {:?}", batch.rejected);
            let event = &batch.accepted[0];
            assert_eq!((&*event.entity, event.kind, event.at), (entity, kind, received));
            let decoded = object(&batch.raw_object().unwrap(), Access::Project, Rules::Public, &LIMITS).unwrap();
            assert_eq!((decoded.events.len(), decoded.events[0].kind), (1, kind));
        }
    }
    let wrong = single(Single::Trace, br#"{"name":1}"#, "i", received, Access::Project, &LIMITS).unwrap();
    assert_eq!(wrong.rejected[0].reason, "body.name: must be a string");
    let denied = single(Single::Trace, b"{}", "i", received, Access::Scores, &LIMITS).unwrap();
    assert_eq!(denied.rejected[0].why, Why::Scope);
    assert!(single(Single::Trace, b"[]", "i", received, Access::Project, &LIMITS).is_err());
}

#[test]
fn depth_is_of_an_event_and_is_bounded() {
    // The event and its body are two levels of it.
    let nested = |depth: usize| {
        event(
            "trace-create",
            &format!(r#"{{"input":{}{}}}"#, "[".repeat(depth), "]".repeat(depth)),
        )
    };
    let batch = take(&[nested(126), nested(127), nested(500_000)]);
    assert_eq!((batch.successes.len(), batch.rejected.len()), (1, 2));
    assert_eq!(
        batch.rejected[0].reason,
        "event: must not be nested more than 128 deep, is 129"
    );
}
