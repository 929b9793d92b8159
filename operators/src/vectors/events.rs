//! Traces, observations and scores of the ingestion API.

use serde_json::json;

use super::*;

#[test]
fn traces() {
    let first =
        json!({"name": "n", "release": "r0", "version": "v0", "userId": "old", "tags": ["tag-1", "tag-2", "tag-2"]});
    check(
        &Prices::builtin(),
        &[
            case(
                "I-2",
                vec![json!([
                    trace(0, json!({"input": ["a", {"b": "😀"}], "output": {"x": 1}})),
                    event("trace-create", 0, json!({"id": "bare"})),
                ])],
                json!({
                    "trace t": {"input": r#"["a",{"b":"😀"}]"#, "output": r#"{"x":1}"#},
                    "trace bare": {"metadata": {}, "input": null, "output": null, "environment": "default"},
                }),
            ),
            case(
                "I-18",
                vec![json!([
                    trace(
                        1,
                        json!({"name": "first", "version": "v", "environment": "a", "timestamp": "2026-02-25T12:00:00Z"})
                    ),
                    trace(
                        2,
                        json!({"name": "second", "environment": "b", "timestamp": "2026-02-25T13:00:00Z"})
                    ),
                ])],
                json!({"trace t": {"name": "second", "version": "v", "environment": "a", "timestamp": "2026-02-25T12:00:00.000Z"}}),
            ),
            case(
                "I-20",
                vec![json!([
                    trace(1, json!({"tags": ["tag4", "tag2"]})),
                    trace(2, json!({"tags": ["tag1", "tag2", "tag3"]})),
                ])],
                json!({"trace t": {"tags": ["tag1", "tag2", "tag3", "tag4"]}}),
            ),
            case(
                "I-21",
                vec![json!([
                    trace(1, json!({"userId": null})),
                    trace(2, json!({"userId": "u"}))
                ])],
                json!({"trace t": {"user_id": "u"}}),
            ),
            case(
                "I-22",
                vec![json!([trace(9, json!({"timestamp": "2026-02-25T12:15:00.123Z"}))])],
                json!({"trace t": {"user_id": null, "release": null, "version": null, "session_id": null, "public": false,
                    "bookmarked": false, "tags": [], "timestamp": "2026-02-25T12:15:00.123Z"}}),
            ),
            case(
                "I-23",
                vec![
                    json!([trace(1, first)]),
                    json!([trace(2, json!({"userId": "new", "tags": ["tag-1", "tag-4", "tag-3"]}))]),
                ],
                json!({"trace t": {"tags": ["tag-1", "tag-2", "tag-3", "tag-4"], "user_id": "new", "release": "r0",
                    "version": "v0", "name": "n"}}),
            ),
            case(
                "I-24",
                vec![json!([
                    trace(5, json!({"userId": "newer"})),
                    trace(4, json!({"userId": "older"}))
                ])],
                json!({"trace t": {"user_id": "newer"}}),
            ),
        ],
    );
}

#[test]
fn metadata() {
    let texts = json!({"s": "text", "n": "1983516295378495150", "i": 5, "f": 5.5});
    let stored = json!({"s": "text", "n": "1983516295378495150", "i": "5", "f": "5.5"});
    let pair = |first: Json, second: Json, expected: Json| {
        vec![
            case(
                "I-27",
                vec![json!([trace(1, first.clone()), trace(2, second.clone())])],
                json!({"trace t": {"metadata": expected}}),
            ),
            case(
                "I-27",
                vec![json!([create(1, first), update(2, second)])],
                json!({"observation o": {"metadata": expected}}),
            ),
        ]
    };
    let mut cases = vec![
        case(
            "I-10",
            vec![json!([
                trace(1, json!({"metadata": texts})),
                create(1, json!({"metadata": texts})),
                score(1, json!({"value": 1, "metadata": texts})),
            ])],
            json!({"trace t": {"metadata": stored}, "observation o": {"metadata": stored}, "score s": {"metadata": stored}}),
        ),
        case(
            "I-11",
            vec![
                json!([trace(1, json!({"metadata": {"step": 1, "status": "started"}}))]),
                json!([trace(2, json!({"metadata": {"step": 2, "error": ""}}))]),
            ],
            json!({"trace t": {"metadata": {"step": "2", "status": "started", "error": ""}}}),
        ),
        case(
            "I-19",
            vec![
                json!([
                    trace(1, json!({"metadata": {"key1": "1", "key2": "2"}})),
                    create(1, json!({}))
                ]),
                json!([
                    trace(2, json!({"metadata": {"key2": "2'", "key3": "3"}})),
                    update(2, json!({"metadata": {"b": "1"}})),
                ]),
                json!([
                    event("trace-create", 1, json!({"id": "none"})),
                    event("trace-create", 2, json!({"id": "none"}))
                ]),
            ],
            json!({
                "trace t": {"metadata": {"key1": "1", "key2": "2'", "key3": "3"}},
                "observation o": {"metadata": {"b": "1"}},
                "trace none": {"metadata": {}},
            }),
        ),
    ];
    cases.extend(pair(json!({"metadata": {"a": "1"}}), json!({}), json!({"a": "1"})));
    cases.extend(pair(json!({}), json!({"metadata": {"b": "1"}}), json!({"b": "1"})));
    cases.extend(pair(
        json!({"metadata": {"foo": {"bar": "baz"}}}),
        json!({"metadata": {"hello": "world"}}),
        json!({"foo": r#"{"bar":"baz"}"#, "hello": "world"}),
    ));
    check(&Prices::builtin(), &cases);
}

#[test]
fn observations() {
    let mut events = Vec::new();
    let mut expected = json!({});
    for word in [
        "generation",
        "span",
        "agent",
        "tool",
        "chain",
        "retriever",
        "evaluator",
        "embedding",
        "guardrail",
    ] {
        events.push(event(&format!("{word}-create"), 1, json!({"id": word})));
        expected[format!("observation {word}")] = json!({"type": word.to_uppercase()});
    }
    check(
        &Prices::builtin(),
        &[
            case("I-3", vec![json!(events)], expected),
            case(
                "I-16",
                vec![json!([
                    update(3, json!({"name": "update@3", "version": "update@3"})),
                    update(
                        1,
                        json!({"name": "update@1", "model": "update@1", "version": "update@1"})
                    ),
                    create(
                        1,
                        json!({"name": "create@1", "model": "create@1", "statusMessage": "create@1"})
                    ),
                ])],
                json!({"observation o": {"name": "update@3", "version": "update@3", "provided_model_name": "update@1",
                    "status_message": "create@1"}}),
            ),
            case(
                "I-18",
                vec![json!([
                    create(
                        1,
                        json!({"traceId": "t1", "environment": "a", "startTime": "2026-02-25T12:00:00Z", "name": "a"})
                    ),
                    update(
                        2,
                        json!({"traceId": "t2", "environment": "b", "startTime": "2026-02-25T13:00:00Z", "name": "b"})
                    ),
                ])],
                json!({"observation o": {"trace_id": "t1", "environment": "a", "start_time": "2026-02-25T12:00:00.000Z", "name": "b"}}),
            ),
            case(
                "I-25",
                vec![
                    json!([create(1, json!({"output": "A"}))]),
                    json!([update(2, json!({"name": "n", "output": "B"}))]),
                ],
                json!({"observation o": {"name": "n", "output": "B"}}),
            ),
            case(
                "I-26",
                vec![json!([
                    event(
                        "observation-update",
                        1,
                        json!({"id": "o", "type": "GENERATION", "output": "update"})
                    ),
                    event(
                        "observation-create",
                        1,
                        json!({"id": "o", "type": "GENERATION", "input": "in", "output": "create", "model": "m"})
                    ),
                ])],
                json!({"observation o": {"output": "update", "input": "in", "provided_model_name": "m"}}),
            ),
            case(
                "I-28",
                vec![json!([create(
                    1,
                    json!({"modelParameters": {"someKey": ["user-1", "user-2"]}})
                )])],
                json!({"observation o": {"model_parameters": r#"{"someKey":["user-1","user-2"]}"#}}),
            ),
            case(
                "I-55",
                vec![json!([create(
                    1,
                    json!({"input": {"tools": [{"name": "a"}, {"name": "a", "description": "twice"}]},
                        "output": {"tool_calls": [{"toolCallId": "1", "toolName": "b", "args": {"x": 2}}, {"name": "a", "id": "2"}, 7]}})
                )])],
                json!({"observation o": {
                    "tool_definitions": {"a": r#"{"description":"","parameters":""}"#},
                    "tool_calls": [
                        r#"{"id":"1","arguments":"{\"x\":2}","type":"","index":0}"#,
                        r#"{"id":"2","arguments":"{}","type":"","index":0}"#,
                    ],
                    "tool_call_names": ["b", "a"],
                }}),
            ),
        ],
    );
}

#[test]
fn scores() {
    check(
        &Prices::builtin(),
        &[
            case(
                "I-12",
                vec![
                    json!([score(1, json!({"value": 0.5, "comment": "good"}))]),
                    json!([score(2, json!({"value": 0.5, "comment": null}))]),
                ],
                json!({"score s": {"comment": null, "value": 0.5}}),
            ),
            case(
                "I-29",
                vec![json!([score(
                    1,
                    json!({"value": 100.5, "configId": "c", "queueId": "q"})
                )])],
                json!({"score s": {"value": 100.5, "config_id": "c", "queue_id": "q"}}),
            ),
            // There are no configurations here: what contradicts itself is refused, and what only a configuration forbids is
            // taken as it is sent. Still there is one row.
            Case {
                number: "I-30",
                requests: vec![json!([
                    score(1, json!({"value": 7, "dataType": "BOOLEAN"})),
                    score(2, json!({"value": 4, "configId": "max-5"})),
                    score(3, json!({"value": 600, "configId": "archived"})),
                ])],
                refused: 1,
                rows: json!({"score s": {"value": 600.0, "name": "n", "config_id": "archived"}}),
            },
        ],
    );
}
