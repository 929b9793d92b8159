//! What spans say of their traces.

use serde_json::{Value as Json, json};
use tracemill_model::ingest::{Field, Rank};

use super::*;

fn ranks(decoded: &Decoded) -> Vec<Rank> {
    traces(decoded).iter().map(|(event, _)| event.rank).collect()
}

fn value(field: &Field<Text>) -> Option<&str> {
    field.value().map(|text| &**text)
}

#[test]
fn a_child_that_knows_and_its_root() {
    let generation = child(
        "1111111111111111",
        json!({
            "langfuse.observation.type": "generation", "langfuse.trace.name": "test-trace", "user.id": "u", "session.id": "s",
            "langfuse.trace.tags": ["tag2"], "langfuse.trace.public": true, "langfuse.version": "v1",
            "langfuse.trace.input": "ti", "langfuse.trace.output": "to",
        }),
    );
    let root = span(json!({"langfuse.trace.tags": ["tag1"]}), json!({"name": "root-span"}));
    let scope = json!({"name": "langfuse-sdk", "version": "1.2"});
    let decoded = decode(&request(
        json!({"langfuse.environment": "production"}),
        scope,
        json!([generation, root]),
    ));
    assert_eq!(
        kinds(&decoded),
        ["trace-create", "generation-create", "trace-create", "span-create"],
        "O-1"
    );
    assert_eq!(ranks(&decoded), [Rank::Part, Rank::Whole], "O-1");
    let found = traces(&decoded);
    let (_, part) = &found[0];
    assert_eq!(value(&part.name), Some("test-trace"), "O-6");
    assert_eq!(
        (value(&part.user_id), value(&part.session_id)),
        (Some("u"), Some("s")),
        "O-6"
    );
    assert_eq!(
        (&part.tags, part.public, value(&part.version)),
        (&vec![text("tag2")], Some(true), Some("v1")),
        "O-6"
    );
    assert_eq!(
        (part.input.as_deref(), part.output.as_deref()),
        (Some("ti"), Some("to")),
        "O-6"
    );
    // The reference has null here, which would clear what others know.
    assert_eq!(part.release, Field::Absent, "D-15");
    let (event, whole) = &found[1];
    assert_eq!(
        (value(&whole.name), &whole.tags),
        (Some("root-span"), &vec![text("tag1")]),
        "O-8"
    );
    assert_eq!(event.at, Millis(1_744_317_592_317));
    assert_eq!(whole.timestamp, Some(event.at));
    for body in observations(&decoded) {
        assert_eq!(body.environment.as_deref(), Some("production"), "O-10");
        assert_eq!(
            tree(&body.metadata, "resourceAttributes"),
            json!({"langfuse.environment": "production"}),
            "O-10"
        );
        let scope = json!({"name": "langfuse-sdk", "version": "1.2", "attributes": {}});
        assert_eq!(tree(&body.metadata, "scope"), scope, "O-10");
        assert!(body.is_complete);
    }
    assert_eq!(whole.environment.as_deref(), Some("production"), "O-10");
}

#[test]
fn as_root() {
    for flag in [json!(true), json!("true")] {
        let decoded = spans(json!([child(SPAN, json!({"langfuse.internal.as_root": flag}))]));
        let (trace, body, _) = only(&decoded);
        assert_eq!(
            (ranks(&decoded), value(&trace.name)),
            (vec![Rank::Whole], Some("the-span")),
            "O-11"
        );
        assert_eq!(body.parent_observation_id.as_deref(), Some(PARENT), "O-11");
    }
}

#[test]
fn stubs() {
    let decoded = spans(json!([child(
        SPAN,
        json!({"langfuse.tags": "no trigger", "langfuse.trace.public": false})
    )]));
    assert_eq!(
        (kinds(&decoded), ranks(&decoded)),
        (
            vec!["span-create".to_owned(), "trace-create".to_owned()],
            vec![Rank::Stub]
        ),
        "O-52"
    );
    let (trace, _, _) = only(&decoded);
    let expected = TraceBody {
        id: text(TRACE),
        timestamp: Some(Millis(1_744_317_592_317)),
        environment: Some(text("default")),
        ..TraceBody::default()
    };
    assert_eq!(trace, expected, "O-52");
    // Nothing is remembered from one request to the next: a trace may have a stub in each, and no stub beats what is known.
    assert_eq!(
        spans(json!([child(SPAN, json!({}))])),
        spans(json!([child(SPAN, json!({}))])),
        "O-52, O-53"
    );

    let earlier =
        json!({"spanId": "3333333333333333", "parentSpanId": PARENT, "startTimeUnixNano": "1744317592000000000"});
    let children = json!([
        child("1111111111111111", json!({})),
        child("2222222222222222", json!({})),
        span(json!({}), earlier)
    ]);
    let decoded = spans(children);
    assert_eq!(
        (observations(&decoded).len(), ranks(&decoded)),
        (3, vec![Rank::Stub]),
        "O-55"
    );
    // The reference takes the first span's time: the earliest is nearer to the trace's.
    assert_eq!(traces(&decoded)[0].1.timestamp, Some(Millis(1_744_317_592_000)), "O-55");
    let decoded = spans(json!([
        child("1111111111111111", json!({})),
        span(json!({}), json!({}))
    ]));
    assert_eq!(ranks(&decoded), [Rank::Whole], "O-55");
}

/// A child may begin before its root, as clocks of several machines have it: the trace begins with the first of its spans,
/// whether they come in one request or in two, and in whichever order.
#[test]
fn a_child_that_begins_before_its_root() {
    let early = json!({"spanId": "1111111111111111", "parentSpanId": SPAN, "startTimeUnixNano": "1744317592000000000"});
    let (root, early) = (span(json!({}), json!({})), span(json!({}), early));
    for order in [[root.clone(), early.clone()], [early, root]] {
        let decoded = spans(json!(order));
        assert_eq!(ranks(&decoded), [Rank::Whole, Rank::Stub]);
        let expected = TraceBody {
            id: text(TRACE),
            timestamp: Some(Millis(1_744_317_592_000)),
            ..TraceBody::default()
        };
        assert_eq!(traces(&decoded)[1].1, expected);
    }
}

#[test]
fn stubs_with_what_metadata_tells() {
    let told = json!({"langfuse.metadata": json!({
        "langfuse_session_id": "session-1", "thread_id": "thread-1", "langfuse_user_id": "user-1",
        "langfuse_tags": ["a", "b", "a", " "],
    }).to_string()});
    let decoded = spans(json!([
        child("1111111111111111", told.clone()),
        child("2222222222222222", json!({}))
    ]));
    let found = traces(&decoded);
    assert_eq!((found.len(), found[0].0.rank), (1, Rank::Stub), "O-71, I-67");
    let (_, stub) = &found[0];
    assert_eq!(
        (value(&stub.session_id), value(&stub.user_id)),
        (Some("session-1"), Some("user-1")),
        "O-71"
    );
    assert_eq!(
        (stub.tags.clone(), stub.metadata.len()),
        (vec![text("a"), text("b")], 3),
        "O-71, I-67"
    );
    let thread = json!({"langfuse.metadata.thread_id": "thread-1"});
    let (stub, _, _) = only(&spans(json!([child(SPAN, thread)])));
    assert_eq!(value(&stub.session_id), Some("thread-1"), "O-72");
    assert_eq!(
        (entry(&stub.metadata, "thread_id"), stub.metadata.len()),
        (Some("thread-1"), 1),
        "O-72, I-67"
    );
    let decoded = spans(json!([child("1111111111111111", told), span(json!({}), json!({}))]));
    assert_eq!(ranks(&decoded), [Rank::Whole], "O-73, I-67: none where a trace is sent");
    assert_eq!(
        decode(&request(json!({}), json!({}), json!([]))),
        Decoded::default(),
        "O-74: nothing to write"
    );
}

#[test]
fn updates() {
    let decoded = spans(json!([child(
        SPAN,
        json!({"langfuse.trace.name": "n", "user.id": "u"})
    )]));
    let (trace, _, _) = only(&decoded);
    assert_eq!(
        (ranks(&decoded), value(&trace.name), value(&trace.user_id)),
        (vec![Rank::Part], Some("n"), Some("u")),
        "O-53"
    );
    for domain in ["trace", "observation"] {
        let key = |name: &str| format!("langfuse.{domain}.metadata.langfuse_{name}");
        let told = json!({key("user_id"): "u", key("session_id"): "s", key("tags"): "tag1,tag2"});
        let decoded = spans(json!([child(SPAN, told)]));
        let (trace, _, _) = only(&decoded);
        assert_eq!(ranks(&decoded), [Rank::Part], "O-54");
        assert_eq!(
            (value(&trace.user_id), value(&trace.session_id)),
            (Some("u"), Some("s")),
            "O-54"
        );
        assert_eq!(trace.tags, [text("tag1"), text("tag2")], "O-54");
    }
}

#[test]
fn shared_fields() {
    for (attributes, user, session) in [
        (json!({"user.id": "u"}), Some("u"), None),
        (json!({"langfuse.user.id": "u", "user.id": "v"}), Some("u"), None),
        (
            json!({"session.id": "s", "gen_ai.conversation.id": "c"}),
            None,
            Some("s"),
        ),
        (
            json!({"langfuse.session.id": "s", "gen_ai.conversation.id": "c"}),
            None,
            Some("s"),
        ),
        (json!({"gen_ai.conversation.id": "c"}), None, Some("c")),
        (
            json!({"ai.telemetry.metadata.userId": 42, "ai.telemetry.metadata.sessionId": "s"}),
            Some("42"),
            Some("s"),
        ),
    ] {
        let (trace, _, _) = root(attributes.clone());
        assert_eq!(
            (value(&trace.user_id), value(&trace.session_id)),
            (user, session),
            "O-29, O-79: {attributes}"
        );
    }
    let tags = |value: Json, key: &str| {
        root(json!({key: value}))
            .0
            .tags
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    for key in ["langfuse.trace.tags", "langfuse.tags", "tag.tags"] {
        assert_eq!(tags(json!("2"), key), ["2"], "O-40");
        assert_eq!(tags(json!(["a", 1]), key), ["a", "1"], "O-40");
        assert_eq!(tags(json!("[\"2\"]"), key), ["2"], "O-40");
        assert_eq!(tags(json!("2,3,4"), key), ["2", "3", "4"], "O-40");
        assert_eq!(
            tags(json!("llamaindex, rag, production"), key),
            ["llamaindex", "rag", "production"],
            "O-40"
        );
        // An empty array over protobuf is a tag of its own in the reference.
        assert!(tags(json!([]), key).is_empty());
    }
    for (value, expected) in [
        (json!(true), true),
        (json!("true"), true),
        (json!("false"), false),
        (json!(1), false),
    ] {
        assert_eq!(root(json!({"langfuse.public": value})).0.public, Some(expected), "O-28");
    }
    assert_eq!(root(json!({})).0.public, None);
}

#[test]
fn environments_and_versions() {
    let of = |resource: Json, attributes: Json| {
        only(&decode(&request(
            resource,
            json!({}),
            json!([span(attributes, json!({}))]),
        )))
    };
    for key in [
        "langfuse.environment",
        "deployment.environment.name",
        "deployment.environment",
    ] {
        for (resource, own) in [
            (json!({key: "Production"}), json!({})),
            (json!({}), json!({key: "Production"})),
        ] {
            let (trace, body, _) = of(resource, own);
            // In the reference the trace keeps the capital letter.
            assert_eq!(
                trace.environment.as_deref(),
                Some("production"),
                "O-27, O-66, D-2: {key}"
            );
            assert_eq!(body.environment.as_deref(), Some("production"), "O-27: {key}");
        }
    }
    assert_eq!(
        of(json!({}), json!({})).0.environment.as_deref(),
        Some("default"),
        "O-27"
    );
    let (trace, _, _) = of(
        json!({"langfuse.environment": "a"}),
        json!({"deployment.environment": "b"}),
    );
    assert_eq!(trace.environment.as_deref(), Some("a"));
    assert_eq!(
        value(&of(json!({"service.version": "1.0.5"}), json!({})).0.version),
        Some("1.0.5"),
        "O-41"
    );
    // Numbers stop the reference's whole request.
    let (trace, body, _) = of(
        json!({"langfuse.release": 7}),
        json!({"langfuse.version": 3, "langfuse.trace.name": 5, "deployment.environment": 1}),
    );
    assert_eq!(
        (value(&trace.release), value(&trace.version), value(&trace.name)),
        (Some("7"), Some("3"), Some("5")),
        "D-2"
    );
    assert_eq!(
        (body.version.as_deref(), trace.environment.as_deref()),
        (Some("3"), Some("1")),
        "D-2"
    );
}
