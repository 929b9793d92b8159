//! Input, output and metadata.

use serde_json::{Value as Json, json};

use super::*;

const GONE: &str = "absent from attributes";

#[test]
fn inputs_and_outputs_as_they_are() {
    let inputs = [
        "mlflow.spanInputs",
        "input",
        "input.value",
        "traceloop.entity.input",
        "gen_ai.input.messages",
        "gen_ai.tool.call.arguments",
        "gcp.vertex.agent.tool_call_args",
        "tool_arguments",
        "lk.input_text",
        "prompt",
    ];
    for key in inputs {
        let (trace, body, _) = root(json!({key: "[1, 2]"}));
        assert_eq!(
            (body.input.as_deref(), trace.input.as_deref()),
            (Some("[1, 2]"), Some("[1, 2]")),
            "O-35: {key}"
        );
    }
    let outputs = [
        "gen_ai.output.messages",
        "gen_ai.tool.call.result",
        "gcp.vertex.agent.tool_response",
        "tool_response",
        "lk.response.text",
        "lk.function_tool.output",
        "mlflow.spanOutputs",
        "all_messages_events",
    ];
    for key in outputs {
        let (_, body, _) = root(json!({key: "done"}));
        assert_eq!(
            (body.input, body.output.as_deref()),
            (None, Some("done")),
            "O-36: {key}"
        );
    }
    let large = "x".repeat(100_000);
    let (_, body, _) = root(json!({"input": large, "output": large}));
    assert_eq!(
        (body.input.unwrap().len(), body.output.unwrap().len()),
        (100_000, 100_000),
        "O-82"
    );
}

#[test]
fn inputs_and_outputs_of_families() {
    let table: Vec<(&str, &str, Json, Json, Json)> = vec![
        (
            "O-34",
            "",
            json!({"gen_ai.prompt.0.content": "hi"}),
            json!([{"content": "hi"}]),
            json!({}),
        ),
        (
            "O-34",
            "",
            json!({"gen_ai.completion.content": "yo"}),
            json!({}),
            json!({"content": "yo"}),
        ),
        ("O-34", "", json!({"gen_ai.completion": "yo"}), json!({}), json!("yo")),
        (
            "O-37",
            "",
            json!({"llm.input_messages.0.message.content": "hi", "llm.input_messages.0.message.role": "user",
            "llm.output_messages.0.message.content": "yo"}),
            json!([{"message": {"content": "hi", "role": "user"}}]),
            json!([{"message": {"content": "yo"}}]),
        ),
        (
            "O-46",
            "ai",
            json!({"ai.prompt.messages": "[]", "ai.response.text": "yo"}),
            json!("[]"),
            json!("yo"),
        ),
        (
            "O-46",
            "ai",
            json!({"ai.response.text": "yo", "ai.response.toolCalls": "[{}]"}),
            json!(null),
            json!({"role": "assistant", "content": "yo", "tool_calls": "[{}]"}),
        ),
        (
            "O-48",
            "",
            json!({"gcp.vertex.agent.llm_request": "{}", "gcp.vertex.agent.llm_response": "{}", "input.value": "no",
            "gcp.vertex.agent.tool_call_args": "{\"a\": 1}", "gcp.vertex.agent.tool_response": "r"}),
            json!("{\"a\": 1}"),
            json!("r"),
        ),
        (
            "O-13",
            "",
            json!({"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "hi", "gen_ai.completion.0.content": "yo"}),
            json!([{"role": "user", "content": "hi"}]),
            json!([{"content": "yo"}]),
        ),
        (
            "also",
            "",
            json!({"gen_ai.prompt.2.a": 1}),
            json!([null, null, {"a": 1}]),
            json!({}),
        ),
        (
            "also",
            "",
            json!({"gen_ai.prompt.0": "v"}),
            json!({"0": "v"}),
            json!({}),
        ),
        (
            "also",
            "",
            json!({"events": r#"[{"event.name":"gen_ai.user.message","content":"hi"},{"event.name":"gen_ai.choice","n":1.0}]"#}),
            json!([{"event.name": "gen_ai.user.message", "content": "hi"}]),
            json!({"event.name": "gen_ai.choice", "n": 1.0}),
        ),
        // A JSON text that is no array stops the reference's whole batch.
        (
            "also",
            "",
            json!({"events": "{}", "input": "i"}),
            json!("i"),
            json!(null),
        ),
        (
            "also",
            "",
            json!({"langfuse.observation.input": "", "input": "no"}),
            json!(""),
            json!(null),
        ),
        (
            "O-44",
            "",
            json!({"input": "i", "gen_ai.prompt.0.content": "no"}),
            json!("i"),
            json!(null),
        ),
        (
            "also",
            "",
            json!({"input": {"a": [1, true, 0.5, null]}}),
            json!({"a": [1, true, 0.5, null]}),
            json!(null),
        ),
    ];
    for (vector, scope, attributes, input, output) in table {
        let (_, body, _) = scoped(scope, attributes.clone());
        for (found, expected) in [(body.input, input), (body.output, output)] {
            let found = found.map_or(Json::Null, |text| match &expected {
                Json::String(_) => json!(&*text),
                _ => serde_json::from_str(&text).unwrap(),
            });
            assert_eq!(found, expected, "{vector}: {attributes}");
        }
    }
}

#[test]
fn span_events() {
    let made = |events: Json, attributes: Json| only(&spans(json!([span(attributes, json!({"events": events}))])));
    let (_, body, event_) = made(
        json!([
            event("gen_ai.system.message", json!({"content": "be good"})),
            event("gen_ai.user.message", json!({"content": "hi"})),
            event(
                "gen_ai.choice",
                json!({"index": 0, "finish_reason": "stop", "message": "{\"x\":1}"})
            ),
        ]),
        json!({"gen_ai.response.model": "m"}),
    );
    assert_eq!(event_.kind.to_string(), "generation-create", "O-14");
    let expected = r#"[{"role":"system","content":"be good"},{"role":"user","content":"hi"}]"#;
    assert_eq!(body.input.as_deref(), Some(expected), "O-14");
    let output: Json = serde_json::from_str(&body.output.unwrap()).unwrap();
    assert_eq!(
        output,
        json!({"index": 0, "finish_reason": "stop", "message": "{\"x\":1}"}),
        "O-14"
    );

    let (_, body, _) = made(
        json!([event("gen_ai.assistant.message", json!({"tool_calls": "[]"}))]),
        json!({}),
    );
    assert_eq!(
        body.input.as_deref(),
        Some(r#"[{"role":"assistant","tool_calls":"[]"}]"#),
        "O-43"
    );
    let (_, body, _) = made(json!([event("gen_ai.tool.message", json!({"id": "1"}))]), json!({}));
    assert_eq!(body.input.as_deref(), Some(r#"[{"role":"tool","id":"1"}]"#), "O-43");
    let (_, body, _) = made(json!([event("gen_ai.choice", json!({"index": 0}))]), json!({}));
    assert_eq!(
        (body.input, body.output.as_deref()),
        (None, Some(r#"{"index":0}"#)),
        "O-43"
    );

    for (prompt, expected) in [(json!("hi"), "hi"), (json!(["a", "b"]), r#"["a","b"]"#)] {
        let (_, body, _) = made(
            json!([event("gen_ai.content.prompt", json!({"gen_ai.prompt": prompt}))]),
            json!({}),
        );
        assert_eq!(
            (body.input.as_deref(), body.output.as_deref()),
            (Some(expected), Some("{}")),
            "O-42"
        );
    }
    let (_, body, _) = made(
        json!([event("gen_ai.content.completion", json!({"foo": "bar"}))]),
        json!({}),
    );
    assert_eq!(body.output.as_deref(), Some(r#"{"foo":"bar"}"#), "O-42");
    let decoded = spans(json!([span(
        json!({"gen_ai.usage.input_tokens": 1, "gen_ai.request.model": "m"}),
        json!({"status": {"code": 1}, "events": [
            event("gen_ai.content.prompt", json!({"gen_ai.prompt": "p"})),
            event("gen_ai.content.completion", json!({"gen_ai.completion": "c"})),
        ]}),
    )]));
    assert_eq!(kinds(&decoded), ["trace-create", "generation-create"], "O-12");
    assert_eq!(decoded.rejected, [], "O-12");
    let traceloop = json!({"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "hi", "gen_ai.completion.0.content": "yo",
        "gen_ai.request.model": "m"});
    let decoded = spans(json!([span(traceloop, json!({}))]));
    assert_eq!(kinds(&decoded), ["trace-create", "generation-create"], "O-13");
    assert_eq!(decoded.rejected, [], "O-13");
}

#[test]
fn metadata_of_attributes() {
    let (trace, body, _) = root(json!({"int": 42, "float": 0.7, "bool": true, "list": [1, "a"], "null": null}));
    let expected = json!({"int": "42", "float": "0.7", "bool": "true", "list": r#"[1,"a"]"#, "null": "null"});
    assert_eq!(tree(&body.metadata, "attributes"), expected, "O-49");
    assert_eq!(tree(&trace.metadata, "attributes"), expected, "O-49");

    let (_, body, _) = root(json!({
        "input": "i", "gen_ai.prompt.0.content": "p", "gen_ai.completion.0.content": "c", "llm.input_messages.0.x": "m",
        "llm.output_messages.0.x": "o", "model.version": "v", "custom": "k", "tool_arguments": "kept",
    }));
    assert_eq!(body.input.as_deref(), Some("i"), "O-44");
    let kept = json!({"model.version": "v", "custom": "k", "tool_arguments": "kept"});
    assert_eq!(tree(&body.metadata, "attributes"), kept, "O-44");

    let (trace, _, _) =
        root(json!({"langfuse.trace.input": "ti", "langfuse.trace.output": "to", "x": "y", "input": "no"}));
    assert_eq!(
        (trace.input.as_deref(), trace.output.as_deref()),
        (Some("ti"), Some("to")),
        "O-45"
    );
    assert_eq!(tree(&trace.metadata, "attributes"), json!({"x": "y"}), "O-45");

    let attributes = json!({"ai.prompt.messages": "m", "ai.response.text": "t", "x": "y"});
    let (_, body, event) = only(&decode(&request(
        json!({}),
        json!({"name": "ai"}),
        json!([child(SPAN, attributes)]),
    )));
    assert_eq!(
        (
            event.kind.to_string().as_str(),
            body.input.as_deref(),
            body.output.as_deref()
        ),
        ("span-create", Some("m"), Some("t")),
        "O-46"
    );
    assert_eq!(tree(&body.metadata, "attributes"), json!({"x": "y"}), "O-46: {GONE}");
    let (_, body, _) = root(json!({
        "mlflow.spanInputs": "a", "mlflow.spanOutputs": "b", "traceloop.entity.input": "c", "traceloop.entity.output": "d",
    }));
    assert_eq!(tree(&body.metadata, "attributes"), json!({}), "O-47: {GONE}");
    let (_, body, _) = scoped("langfuse-sdk", json!({"x": "y"}));
    assert_eq!(entry(&body.metadata, "attributes"), None, "of a Langfuse scope");
}

#[test]
fn metadata_of_users() {
    let own = json!({"langfuse.metadata": r#"{"key": {"a": 1.0}}"#, "langfuse.metadata.user_type": "vip"});
    let (trace, body, _) = root(own.clone());
    for metadata in [&trace.metadata, &body.metadata] {
        assert_eq!(entry(metadata, "key"), Some(r#"{"a":1.0}"#), "O-39");
        assert_eq!(entry(metadata, "user_type"), Some("vip"), "O-39");
    }
    let (_, body, _) = only(&decode(&request(own, json!({}), json!([span(json!({}), json!({}))]))));
    assert_eq!(entry(&body.metadata, "user_type"), Some("vip"), "O-39");
    assert_eq!(entry(&body.metadata, "key"), Some(r#"{"a":1.0}"#), "O-39");

    let (trace, body, _) = root(json!({"langfuse.trace.metadata.trace-key1": "\"value1\""}));
    assert_eq!(entry(&trace.metadata, "trace-key1"), Some("\"value1\""), "O-7");
    assert_eq!(entry(&body.metadata, "trace-key1"), None);

    // The reference loses such texts, or takes them apart letter by letter.
    for (sent, kept) in [("plain", "plain"), ("\"hey\"", "hey"), ("[1, 2]", "[1,2]"), ("7", "7")] {
        let (_, body, _) = scoped("langfuse-sdk", json!({"langfuse.observation.metadata": sent}));
        assert_eq!(entry(&body.metadata, "metadata"), Some(kept));
    }
    let (_, body, _) = root(json!({"langfuse.observation.metadata": {"constructor": {"__proto__": 1}}}));
    assert_eq!(entry(&body.metadata, "constructor"), Some(r#"{"__proto__":1}"#));
}

#[test]
fn python_5_encodes_metadata() {
    let sent = json!({
        "langfuse.observation.metadata.s": "\"str\"", "langfuse.observation.metadata.n": "3",
        "langfuse.trace.metadata.t": "{\"a\": 1}", "langfuse.observation.metadata.plain": "not json",
        "langfuse.trace.metadata.langfuse_user_id": "\"u\"",
    });
    let body = |sdk: (Option<&str>, Option<&str>), scope: Json, language: &str| {
        let request = request(
            json!({"telemetry.sdk.language": language}),
            scope,
            json!([span(sent.clone(), json!({}))]),
        );
        let sdk = Sdk {
            name: sdk.0.map(text),
            version: sdk.1.map(text),
        };
        only(&object(request.to_string().as_bytes(), RawForm::OtlpJson, RECEIVED, &sdk).unwrap())
    };
    let five = json!({"name": "langfuse-sdk", "version": "5.0.4"});
    for (sdk, scope, language, decodes) in [
        ((Some("python"), Some("5.0.4")), json!({"name": "ai"}), "python", true),
        ((Some("python"), Some("4.18.0")), five.clone(), "python", false),
        ((Some("javascript"), Some("5.11.1")), five.clone(), "python", false),
        ((None, None), five.clone(), "python", true),
        ((None, None), five, "nodejs", false),
    ] {
        let (trace, observation, _) = body(sdk, scope, language);
        let expected = if decodes { "str" } else { "\"str\"" };
        assert_eq!(entry(&observation.metadata, "s"), Some(expected), "{sdk:?} {language}");
        assert_eq!(entry(&observation.metadata, "n"), Some("3"));
        assert_eq!(entry(&observation.metadata, "plain"), Some("not json"));
        assert_eq!(tree(&trace.metadata, "t"), json!({"a": 1}));
        let user = if decodes { "u" } else { "\"u\"" };
        assert_eq!(trace.user_id.value().map(|user| &**user), Some(user));
    }
}
