//! Types, names, models, usage and other fields of observations.

use serde_json::{Value as Json, json};
use tracemill_model::Millis;
use tracemill_model::ingest::{EventKind, Field, Level, ObservationType};

use super::*;

fn kind_of(attributes: Json) -> &'static str {
    match root(attributes).2.kind {
        EventKind::ObservationCreate(ty) => ty.lower(),
        other => panic!("{other}"),
    }
}

#[test]
fn types() {
    let kind = |value: &str| json!({"openinference.span.kind": value});
    let op = |value: &str| json!({"gen_ai.operation.name": value});
    let ai = |value: &str| json!({"operation.name": value, "gen_ai.response.model": "m"});
    let ty = |value: &str| json!({"langfuse.observation.type": value, "model": "m", "openinference.span.kind": "LLM"});
    let table = [
        (
            "O-15",
            json!({"operation.name": "ai.embed.doEmbed generate", "ai.model.id": "m"}),
            "embedding",
        ),
        ("O-17", kind("CHAIN"), "chain"),
        ("O-17", kind("RETRIEVER"), "retriever"),
        ("O-17", kind("LLM"), "generation"),
        ("O-17", kind("EMBEDDING"), "embedding"),
        ("O-17", kind("AGENT"), "agent"),
        ("O-17", kind("TOOL"), "tool"),
        ("O-17", kind("GUARDRAIL"), "guardrail"),
        ("O-17", kind("EVALUATOR"), "evaluator"),
        ("O-17", kind(""), "span"),
        ("O-17", kind("UnknownKind"), "span"),
        ("O-18", op("chat"), "generation"),
        ("O-18", op("completion"), "generation"),
        ("O-18", op("generate_content"), "generation"),
        ("O-18", op("generate"), "generation"),
        ("O-18", op("embeddings"), "embedding"),
        ("O-18", op("invoke_agent"), "agent"),
        ("O-18", op("create_agent"), "agent"),
        ("O-18", op("execute_tool"), "tool"),
        // A name that every prototype has stops the reference.
        ("O-18", op("constructor"), "span"),
        ("O-18", op("__proto__"), "span"),
        ("O-19", ai("ai.generateText.doGenerate"), "generation"),
        ("O-19", ai("ai.streamText.doStream x"), "generation"),
        ("O-19", ai("ai.generateObject.doGenerate"), "generation"),
        ("O-19", ai("ai.streamObject.doStream"), "generation"),
        ("O-19", ai("ai.generateObject"), "generation"),
        ("O-19", ai("ai.embed.doEmbed"), "embedding"),
        ("O-19", ai("ai.embedMany.doEmbed"), "embedding"),
        ("O-19", ai("ai.toolCall"), "tool"),
        (
            "O-22",
            json!({"openinference.span.kind": "TOOL", "gen_ai.operation.name": "chat", "model": "m"}),
            "tool",
        ),
        (
            "O-22",
            json!({"gen_ai.operation.name": "embeddings", "model": "m"}),
            "embedding",
        ),
        ("O-22", ty("span"), "span"),
        (
            "O-24",
            json!({"model": "", "gen_ai.request.model": "", "llm.model_name": "", "gen_ai.tool.name": ""}),
            "span",
        ),
        ("O-56", json!({"langfuse.observation.type": "invalid_type"}), "span"),
        ("O-56", ty("agent"), "agent"),
        ("O-56", ty("evaluator"), "evaluator"),
        ("O-56", ty("tool"), "tool"),
        ("O-56", ty("retriever"), "retriever"),
        ("O-56", ty("embedding"), "embedding"),
        ("O-56", ty("guardrail"), "guardrail"),
        ("O-57", json!({"model": "m"}), "generation"),
        ("O-57", json!({"foo": "bar"}), "span"),
        ("O-58", json!({"ai.operationId": "ai.toolCall"}), "tool"),
        (
            "O-58",
            json!({"operation.name": "ai.generateText", "gen_ai.response.model": "m"}),
            "generation",
        ),
        ("O-58", json!({"operation.name": "ai.generateText"}), "span"),
    ];
    for (vector, attributes, expected) in table {
        assert_eq!(kind_of(attributes.clone()), expected, "{vector}: {attributes}");
    }
    for ty in ObservationType::ALL {
        assert_eq!(
            kind_of(json!({"langfuse.observation.type": ty.lower()})),
            ty.lower(),
            "O-77"
        );
    }
    for kind in ["agent", "evaluator", "tool", "retriever", "embedding", "guardrail"] {
        assert_eq!(root(ty(kind)).1.model, Field::Value(text("m")), "O-56: {kind}");
    }
    let embedding = root(json!({"operation.name": "ai.embed.doEmbed generate-document-embedding", "ai.model.id": "m"}));
    assert_eq!(embedding.2.kind.to_string(), "embedding-create", "O-15");
    assert_eq!(embedding.1.model, Field::Value(text("m")), "O-15");
    let plain = spans(json!([span(json!({"foo": "bar"}), json!({}))]));
    assert_eq!(kinds(&plain), ["trace-create", "span-create"], "O-57");
}

#[test]
fn old_python_generations() {
    let made = |version: Json| {
        let scope = json!({"name": "langfuse-sdk", "version": version});
        let attributes = json!({"langfuse.observation.type": "span", "langfuse.observation.model.name": "m"});
        let spans = json!([span(attributes, json!({}))]);
        only(&decode(&request(
            json!({"telemetry.sdk.language": "python"}),
            scope,
            spans,
        )))
        .2
        .kind
        .to_string()
    };
    assert_eq!(made(json!("3.3.0")), "generation-create", "O-59");
    assert_eq!(made(json!("3.3.9")), "generation-create");
    assert_eq!(made(json!(null)), "generation-create");
    assert_eq!(made(json!("3.4.0")), "span-create");
}

#[test]
fn names() {
    let name = |attributes: Json| match root(attributes).1.name {
        Field::Value(name) => name.to_string(),
        other => panic!("{other:?}"),
    };
    let tool = json!({"gen_ai.tool.name": "search", "gen_ai.tool.call.id": "c1", "logfire.msg": "running tool"});
    assert_eq!(kind_of(tool.clone()), "tool", "O-20");
    assert_eq!(name(tool), "search", "O-20, O-21");
    let (trace, observation, _) = root(json!({"logfire.msg": "agent run"}));
    assert_eq!(trace.name, Field::Value(text("agent run")), "O-21");
    assert_eq!(observation.name, Field::Value(text("agent run")), "O-21");
    assert_eq!(
        name(json!({"ai.operationId": "ai.x", "ai.telemetry.functionId": "f"})),
        "f:ai.x"
    );
    // A number makes the observation invalid in the reference.
    assert_eq!(name(json!({"ai.toolCall.name": 7})), "7");
    let empty = only(&spans(json!([span(json!({}), json!({"name": ""}))])));
    assert_eq!(empty.1.name, Field::Value(text("")), "O-81");
}

#[test]
fn models_prompts_and_levels() {
    for key in ["gen_ai.request.model", "ai.model.id", "llm.model_name", "model"] {
        let (_, body, _) = root(json!({key: "m", "openinference.span.kind": "LLM"}));
        assert_eq!(body.model, Field::Value(text("m")), "O-30: {key}");
    }
    let (_, body, _) = root(json!({
        "langfuse.observation.type": "generation", "langfuse.observation.level": "WARNING",
        "langfuse.observation.status_message": "slow",
        "langfuse.observation.prompt.name": "p", "langfuse.observation.prompt.version": 1,
    }));
    assert_eq!(
        (body.level, body.status_message.as_deref()),
        (Field::Value(Level::Warning), Some("slow")),
        "O-9"
    );
    assert_eq!(
        (body.prompt_name.as_deref(), body.prompt_version),
        (Some("p"), Some(1)),
        "O-9"
    );
    let (_, body, _) = root(json!({"model": "m", "langfuse.prompt.name": "q", "langfuse.prompt.version": "3"}));
    // A version that is a text makes the generation invalid in the reference.
    assert_eq!(
        (body.prompt_name.as_deref(), body.prompt_version),
        (Some("q"), Some(3)),
        "O-28"
    );
    let linked = json!({"model": "m", "ai.telemetry.metadata.langfusePrompt": r#"{"name":"pn","version":2}"#});
    let (_, body, _) = root(linked);
    assert_eq!(
        (body.prompt_name.as_deref(), body.prompt_version),
        (Some("pn"), Some(2))
    );
    for (code, expected) in [
        (json!(2), Level::Error),
        (json!("STATUS_CODE_ERROR"), Level::Error),
        (json!(1), Level::Default),
    ] {
        let failed = span(json!({}), json!({"status": {"code": code, "message": "boom"}}));
        let (_, body, _) = only(&spans(json!([failed])));
        assert_eq!(body.level, Field::Value(expected), "{code}");
        assert_eq!(body.status_message.as_deref(), Some("boom"));
    }
    let (_, body, _) = root(json!({"foo": 1}));
    assert_eq!(body.level, Field::Value(Level::Default), "O-76");
    assert_eq!(body.environment.as_deref(), Some("default"), "O-76");
}

#[test]
fn parameters() {
    let table = [
        (
            "O-5",
            json!({"langfuse.observation.model_parameters": r#"{"a":1}"#}),
            None,
        ),
        (
            "O-31",
            json!({"gen_ai.request.temperature": 1}),
            Some(json!({"temperature": 1})),
        ),
        (
            "O-31",
            json!({"gen_ai.request.max_tokens": 100}),
            Some(json!({"max_tokens": 100})),
        ),
        (
            "O-31",
            json!({"model_config": r#"{"max_tokens": 4096}"#}),
            Some(json!({"max_tokens": 4096})),
        ),
        (
            "O-31",
            json!({"llm.invocation_parameters": r#"{"max_tokens": 4096}"#}),
            Some(json!({"max_tokens": 4096})),
        ),
        (
            "also",
            json!({"langfuse.observation.model.parameters": r#"{"t":0.20,"s":["a"],"n":null,"b":true,"x":"y"}"#}),
            Some(json!({"t": 0.2, "s": r#"["a"]"#, "n": "null", "b": "true", "x": "y"})),
        ),
    ];
    for (vector, mut attributes, expected) in table {
        attributes["langfuse.observation.type"] = json!("generation");
        let (_, body, _) = root(attributes.clone());
        let found = body
            .model_parameters
            .map(|text| serde_json::from_str::<Json>(&text).unwrap());
        assert_eq!(found, expected, "{vector}: {attributes}");
    }
    let (_, body, _) = scoped(
        "ai",
        json!({"model": "m", "ai.settings.maxRetries": 2, "gen_ai.system": "s"}),
    );
    let expected = r#"{"maxSteps":null,"toolChoice":null,"maxTokens":null,"finishReason":null,"system":"s","maxRetries":"2","mode":null,"temperature":null}"#;
    assert_eq!(body.model_parameters.as_deref(), Some(expected));
}

#[test]
fn usage_of_every_kind() {
    let details = |text: &str| json!({"langfuse.observation.usage_details": text});
    let table: Vec<(&str, Json, Vec<(&str, u64)>)> = vec![
        // At the mapping's end; the shape of the ingestion API applies only with `total_tokens`.
        (
            "O-4",
            details(r#"{"input_tokens":123,"output_tokens":456}"#),
            vec![("input_tokens", 123), ("output_tokens", 456)],
        ),
        (
            "O-63",
            details(r#"{"prompt_tokens":1957,"completion_tokens":80,"total_tokens":2037}"#),
            vec![("input", 1957), ("output", 80), ("total", 2037)],
        ),
        (
            "also",
            details(
                r#"{"input_tokens":10,"output_tokens":5,"total_tokens":15,"input_tokens_details":{"cached":4,"x":null}}"#,
            ),
            vec![("input", 6), ("input_cached", 4), ("output", 5), ("total", 15)],
        ),
        (
            "also",
            details(r#"{"a":1.5,"b":-1,"c":"7abc","d":2.0,"e":null,"f":{}}"#),
            vec![("c", 7), ("d", 2)],
        ),
        ("also", details("[1]"), vec![]),
        (
            "also",
            details(r#"{"input":18446744073709551615}"#),
            vec![("input", u64::MAX)],
        ),
        ("O-26", json!({"gen_ai.usage.input_tokens": "15"}), vec![("input", 15)]),
        (
            "O-32",
            json!({"llm.token_count.prompt": 1, "llm.token_count.completion": 2, "llm.token_count.total": 3}),
            vec![("input", 1), ("output", 2), ("total", 3)],
        ),
        (
            "O-32",
            json!({"gen_ai.usage.completion_tokens": 2, "gen_ai.usage.total_tokens": 3, "gen_ai.usage.custom_tokens": 4}),
            vec![("custom_tokens", 4), ("output", 2), ("total", 3)],
        ),
        ("O-33", json!({"gen_ai.usage.cost": 0.000_151}), vec![]),
        ("also", json!({"gen_ai.usage.input_tokens": "many"}), vec![]),
    ];
    for (vector, mut attributes, expected) in table {
        attributes["langfuse.observation.type"] = json!("generation");
        let (_, body, _) = root(attributes.clone());
        assert_eq!(usage(&body), expected, "{vector}: {attributes}");
    }
    let (_, body, _) = root(json!({"model": "m", "gen_ai.usage.cost": 0.000_151}));
    assert_eq!(body.cost, [(text("total"), "0.000151".parse().unwrap())], "O-33");
    let (_, body, _) = root(json!({
        "model": "m", "langfuse.observation.cost_details": r#"{"input": 0.001000000000000000001, "s": "1", "n": -1, "e": 2e-3}"#,
    }));
    let costs = [("input", "0.001000000000000000001"), ("e", "0.002")];
    assert_eq!(
        body.cost,
        costs.map(|(name, cost)| (text(name), cost.parse().unwrap())),
        "O-4, D-21"
    );
    let (_, body, _) = root(json!({
        "openinference.span.kind": "RETRIEVER", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 50,
    }));
    assert_eq!(
        (body.model.clone(), usage(&body)),
        (Field::Value(text("m")), vec![("input", 50)]),
        "O-23"
    );
}

#[test]
fn usage_of_libraries() {
    let table: Vec<(&str, &str, Json, Vec<(&str, u64)>)> = vec![
        (
            "O-38",
            "ai",
            json!({"ai.response.providerMetadata": r#"{"bedrock":{"usage":{"cacheReadInputTokens":4482,"cacheWriteInputTokens":50,"cacheCreationInputTokens":100}}}"#}),
            vec![
                ("input", 0),
                ("input_cache_creation", 100),
                ("input_cache_read", 4482),
                ("input_cache_write", 50),
                ("output", 0),
            ],
        ),
        (
            "O-60",
            "ai",
            json!({
                "gen_ai.usage.input_tokens": 18495, "gen_ai.usage.output_tokens": 445, "ai.usage.cachedInputTokens": "16399",
                "ai.response.providerMetadata": r#"{"anthropic":{"usage":{"cache_creation_input_tokens":2089,"cache_read_input_tokens":1}}}"#,
            }),
            vec![
                ("input", 7),
                ("input_cache_creation", 2089),
                ("input_cached_tokens", 16399),
                ("output", 445),
            ],
        ),
        (
            "O-61",
            "ai",
            json!({
                "gen_ai.usage.input_tokens": 5734, "gen_ai.usage.output_tokens": 178, "ai.usage.tokens": "10394",
                "ai.response.providerMetadata": r#"{"bedrock":{"usage":{"cacheReadInputTokens":4482,"cacheWriteInputTokens":0,"cacheCreationInputTokens":100}}}"#,
            }),
            vec![
                ("input", 1152),
                ("input_cache_creation", 100),
                ("input_cache_read", 4482),
                ("input_cache_write", 0),
                ("output", 178),
                ("total", 10394),
            ],
        ),
        (
            "O-61",
            "ai",
            json!({"gen_ai.usage.input_tokens": 100, "ai.response.providerMetadata": r#"{"bedrock":{"usage":{"cacheReadInputTokens":5000}}}"#}),
            vec![("input", 0), ("input_cache_read", 5000), ("output", 0)],
        ),
        (
            "also",
            "ai",
            json!({"gen_ai.usage.input_tokens": 3, "ai.response.providerMetadata": "{oops"}),
            vec![("input", 3)],
        ),
        (
            "also",
            "pydantic-ai",
            json!({"gen_ai.usage.input_tokens": 9, "gen_ai.usage.output_tokens": 2, "gen_ai.usage.details.cache_read_input_tokens": 4, "gen_ai.usage.x": 1}),
            vec![("input", 9), ("input_cache_read", 4), ("output", 2)],
        ),
    ];
    for (vector, scope, mut attributes, expected) in table {
        attributes["langfuse.observation.type"] = json!("generation");
        assert_eq!(usage(&scoped(scope, attributes).1), expected, "{vector}");
    }
}

#[test]
fn completion_starts() {
    let start = |attributes: Json| root(attributes).1.completion_start_time;
    let of = |text: &str| start(json!({"model": "m", "langfuse.observation.completion_start_time": text}));
    // The column holds milliseconds: the text itself, which the reference keeps until there, is not kept.
    assert_eq!(
        of("2025-09-17T22:16:28.152000+02:00"),
        Some(Millis(1_758_140_188_152)),
        "O-25"
    );
    assert_eq!(
        of("2025-10-01T08:45:26.112648Z"),
        Some(Millis(1_759_308_326_112)),
        "O-25"
    );
    assert_eq!(
        of(r#""2025-10-01T08:45:26.112648Z""#),
        Some(Millis(1_759_308_326_112)),
        "O-25"
    );
    assert_eq!(of("soon"), None);
    assert_eq!(
        start(json!({"model": "m", "ai.response.msToFirstChunk": 20.1})),
        Some(Millis(1_744_317_592_338))
    );
    assert_eq!(
        start(json!({"langfuse.observation.completion_start_time": "2025-10-01T08:45:26Z"})),
        None,
        "of a span"
    );
}
