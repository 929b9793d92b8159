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
            15,
            json!({"operation.name": "ai.embed.doEmbed generate", "ai.model.id": "m"}),
            "embedding",
        ),
        (17, kind("CHAIN"), "chain"),
        (17, kind("RETRIEVER"), "retriever"),
        (17, kind("LLM"), "generation"),
        (17, kind("EMBEDDING"), "embedding"),
        (17, kind("AGENT"), "agent"),
        (17, kind("TOOL"), "tool"),
        (17, kind("GUARDRAIL"), "guardrail"),
        (17, kind("EVALUATOR"), "evaluator"),
        (17, kind(""), "span"),
        (17, kind("UnknownKind"), "span"),
        (18, op("chat"), "generation"),
        (18, op("completion"), "generation"),
        (18, op("generate_content"), "generation"),
        (18, op("generate"), "generation"),
        (18, op("embeddings"), "embedding"),
        (18, op("invoke_agent"), "agent"),
        (18, op("create_agent"), "agent"),
        (18, op("execute_tool"), "tool"),
        // A name that every prototype has stops the reference.
        (18, op("constructor"), "span"),
        (18, op("__proto__"), "span"),
        (19, ai("ai.generateText.doGenerate"), "generation"),
        (19, ai("ai.streamText.doStream x"), "generation"),
        (19, ai("ai.generateObject.doGenerate"), "generation"),
        (19, ai("ai.streamObject.doStream"), "generation"),
        (19, ai("ai.generateObject"), "generation"),
        (19, ai("ai.embed.doEmbed"), "embedding"),
        (19, ai("ai.embedMany.doEmbed"), "embedding"),
        (19, ai("ai.toolCall"), "tool"),
        (
            22,
            json!({"openinference.span.kind": "TOOL", "gen_ai.operation.name": "chat", "model": "m"}),
            "tool",
        ),
        (
            22,
            json!({"gen_ai.operation.name": "embeddings", "model": "m"}),
            "embedding",
        ),
        (22, ty("span"), "span"),
        (
            24,
            json!({"model": "", "gen_ai.request.model": "", "llm.model_name": "", "gen_ai.tool.name": ""}),
            "span",
        ),
        (56, json!({"langfuse.observation.type": "invalid_type"}), "span"),
        (56, ty("agent"), "agent"),
        (56, ty("evaluator"), "evaluator"),
        (56, ty("tool"), "tool"),
        (56, ty("retriever"), "retriever"),
        (56, ty("embedding"), "embedding"),
        (56, ty("guardrail"), "guardrail"),
        (57, json!({"model": "m"}), "generation"),
        (57, json!({"foo": "bar"}), "span"),
        (58, json!({"ai.operationId": "ai.toolCall"}), "tool"),
        (
            58,
            json!({"operation.name": "ai.generateText", "gen_ai.response.model": "m"}),
            "generation",
        ),
        (58, json!({"operation.name": "ai.generateText"}), "span"),
    ];
    for (vector, attributes, expected) in table {
        assert_eq!(kind_of(attributes.clone()), expected, "vector {vector}: {attributes}");
    }
    for ty in ObservationType::ALL {
        assert_eq!(
            kind_of(json!({"langfuse.observation.type": ty.lower()})),
            ty.lower(),
            "vector 77"
        );
    }
    let agent = root(json!({"langfuse.observation.type": "agent", "model": "m"})).1;
    assert_eq!(agent.model, Field::Value(text("m")), "vector 56");
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
    assert_eq!(made(json!("3.3.0")), "generation-create", "vector 59");
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
    assert_eq!(kind_of(tool.clone()), "tool", "vector 20");
    assert_eq!(name(tool), "search", "vectors 20, 21");
    let (trace, observation, _) = root(json!({"logfire.msg": "agent run"}));
    assert_eq!(trace.name, Field::Value(text("agent run")), "vector 21");
    assert_eq!(observation.name, Field::Value(text("agent run")), "vector 21");
    assert_eq!(
        name(json!({"ai.operationId": "ai.x", "ai.telemetry.functionId": "f"})),
        "f:ai.x"
    );
    // A number makes the observation invalid in the reference.
    assert_eq!(name(json!({"ai.toolCall.name": 7})), "7");
    let empty = only(&spans(json!([span(json!({}), json!({"name": ""}))])));
    assert_eq!(empty.1.name, Field::Value(text("")), "vector 81");
}

#[test]
fn models_prompts_and_levels() {
    for key in ["gen_ai.request.model", "ai.model.id", "llm.model_name", "model"] {
        let (_, body, _) = root(json!({key: "m", "openinference.span.kind": "LLM"}));
        assert_eq!(body.model, Field::Value(text("m")), "vector 30: {key}");
    }
    let (_, body, _) = root(json!({
        "langfuse.observation.type": "generation", "langfuse.observation.level": "WARNING",
        "langfuse.observation.status_message": "slow",
        "langfuse.observation.prompt.name": "p", "langfuse.observation.prompt.version": 1,
    }));
    assert_eq!(
        (body.level, body.status_message.as_deref()),
        (Field::Value(Level::Warning), Some("slow")),
        "vector 9"
    );
    assert_eq!(
        (body.prompt_name.as_deref(), body.prompt_version),
        (Some("p"), Some(1)),
        "vector 9"
    );
    let (_, body, _) = root(json!({"model": "m", "langfuse.prompt.name": "q", "langfuse.prompt.version": "3"}));
    // A version that is a text makes the generation invalid in the reference.
    assert_eq!(
        (body.prompt_name.as_deref(), body.prompt_version),
        (Some("q"), Some(3)),
        "vector 28"
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
    assert_eq!(body.level, Field::Value(Level::Default), "vector 76");
    assert_eq!(body.environment.as_deref(), Some("default"), "vector 76");
}

#[test]
fn parameters() {
    let table = [
        (5, json!({"langfuse.observation.model_parameters": r#"{"a":1}"#}), None),
        (
            31,
            json!({"gen_ai.request.temperature": 1}),
            Some(json!({"temperature": 1})),
        ),
        (
            31,
            json!({"gen_ai.request.max_tokens": 100}),
            Some(json!({"max_tokens": 100})),
        ),
        (
            31,
            json!({"model_config": r#"{"max_tokens": 4096}"#}),
            Some(json!({"max_tokens": 4096})),
        ),
        (
            31,
            json!({"llm.invocation_parameters": r#"{"max_tokens": 4096}"#}),
            Some(json!({"max_tokens": 4096})),
        ),
        (
            0,
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
        assert_eq!(found, expected, "vector {vector}: {attributes}");
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
    let table: Vec<(u32, Json, Vec<(&str, u64)>)> = vec![
        // At the mapping's end; the shape of the ingestion API applies only with `total_tokens`.
        (
            4,
            details(r#"{"input_tokens":123,"output_tokens":456}"#),
            vec![("input_tokens", 123), ("output_tokens", 456)],
        ),
        (
            63,
            details(r#"{"prompt_tokens":1957,"completion_tokens":80,"total_tokens":2037}"#),
            vec![("input", 1957), ("output", 80), ("total", 2037)],
        ),
        (
            0,
            details(
                r#"{"input_tokens":10,"output_tokens":5,"total_tokens":15,"input_tokens_details":{"cached":4,"x":null}}"#,
            ),
            vec![("input", 6), ("input_cached", 4), ("output", 5), ("total", 15)],
        ),
        (
            0,
            details(r#"{"a":1.5,"b":-1,"c":"7abc","d":2.0,"e":null,"f":{}}"#),
            vec![("c", 7), ("d", 2)],
        ),
        (0, details("[1]"), vec![]),
        (
            0,
            details(r#"{"input":18446744073709551615}"#),
            vec![("input", u64::MAX)],
        ),
        (26, json!({"gen_ai.usage.input_tokens": "15"}), vec![("input", 15)]),
        (
            32,
            json!({"llm.token_count.prompt": 1, "llm.token_count.completion": 2, "llm.token_count.total": 3}),
            vec![("input", 1), ("output", 2), ("total", 3)],
        ),
        (
            32,
            json!({"gen_ai.usage.completion_tokens": 2, "gen_ai.usage.total_tokens": 3, "gen_ai.usage.custom_tokens": 4}),
            vec![("custom_tokens", 4), ("output", 2), ("total", 3)],
        ),
        (33, json!({"gen_ai.usage.cost": 0.000_151}), vec![]),
        (0, json!({"gen_ai.usage.input_tokens": "many"}), vec![]),
    ];
    for (vector, mut attributes, expected) in table {
        attributes["langfuse.observation.type"] = json!("generation");
        let (_, body, _) = root(attributes.clone());
        assert_eq!(usage(&body), expected, "vector {vector}: {attributes}");
    }
    let (_, body, _) = root(json!({"model": "m", "gen_ai.usage.cost": 0.000_151}));
    assert_eq!(body.cost, [(text("total"), "0.000151".parse().unwrap())], "vector 33");
    let (_, body, _) = root(json!({
        "model": "m", "langfuse.observation.cost_details": r#"{"input": 0.001000000000000000001, "s": "1", "n": -1, "e": 2e-3}"#,
    }));
    let costs = [("input", "0.001000000000000000001"), ("e", "0.002")];
    assert_eq!(
        body.cost,
        costs.map(|(name, cost)| (text(name), cost.parse().unwrap())),
        "vector 4, D-21"
    );
    let (_, body, _) = root(json!({
        "openinference.span.kind": "RETRIEVER", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 50,
    }));
    assert_eq!(
        (body.model.clone(), usage(&body)),
        (Field::Value(text("m")), vec![("input", 50)]),
        "vector 23"
    );
}

#[test]
fn usage_of_libraries() {
    let table: Vec<(u32, &str, Json, Vec<(&str, u64)>)> = vec![
        (
            38,
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
            60,
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
            61,
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
            61,
            "ai",
            json!({"gen_ai.usage.input_tokens": 100, "ai.response.providerMetadata": r#"{"bedrock":{"usage":{"cacheReadInputTokens":5000}}}"#}),
            vec![("input", 0), ("input_cache_read", 5000), ("output", 0)],
        ),
        (
            0,
            "ai",
            json!({"gen_ai.usage.input_tokens": 3, "ai.response.providerMetadata": "{oops"}),
            vec![("input", 3)],
        ),
        (
            0,
            "pydantic-ai",
            json!({"gen_ai.usage.input_tokens": 9, "gen_ai.usage.output_tokens": 2, "gen_ai.usage.details.cache_read_input_tokens": 4, "gen_ai.usage.x": 1}),
            vec![("input", 9), ("input_cache_read", 4), ("output", 2)],
        ),
    ];
    for (vector, scope, mut attributes, expected) in table {
        attributes["langfuse.observation.type"] = json!("generation");
        assert_eq!(usage(&scoped(scope, attributes).1), expected, "vector {vector}");
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
        "vector 25"
    );
    assert_eq!(
        of("2025-10-01T08:45:26.112648Z"),
        Some(Millis(1_759_308_326_112)),
        "vector 25"
    );
    assert_eq!(
        of(r#""2025-10-01T08:45:26.112648Z""#),
        Some(Millis(1_759_308_326_112)),
        "vector 25"
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
