//! Spans, from the request to the rows.

use serde_json::json;

use super::*;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// A request of one root span of that scope.
fn request(resource: Json, scope: &str, attributes: Json) -> Json {
    json!({"resourceSpans": [{"resource": {"attributes": pairs(&resource)}, "scopeSpans": [{"scope": {"name": scope}, "spans": [{
        "traceId": TRACE, "spanId": "b7ad6b7169203331", "name": "the-span", "startTimeUnixNano": "1744317592317227000",
        "endTimeUnixNano": "1744317592500000001", "attributes": pairs(&attributes),
    }]}]}]})
}

fn pairs(attributes: &Json) -> Json {
    let pair = |(key, value): (&String, &Json)| {
        let value = match value {
            Json::String(_) => json!({ "stringValue": value }),
            Json::Array(items) => {
                let items: Vec<_> = items.iter().map(|item| json!({ "stringValue": item })).collect();
                json!({"arrayValue": {"values": items}})
            }
            Json::Number(number) if number.is_f64() => json!({ "doubleValue": value }),
            other => json!({ "intValue": other }),
        };
        json!({"key": key, "value": value})
    };
    attributes.as_object().expect("attributes").iter().map(pair).collect()
}

#[test]
fn rows_of_spans() {
    let (trace, span) = (format!("trace {TRACE}"), "observation b7ad6b7169203331");
    let full = json!({
        "langfuse.observation.type": "generation", "langfuse.trace.tags": ["a", "b"], "langfuse.trace.name": "chat",
        "user.id": "u", "session.id": "s", "langfuse.observation.prompt.name": "p", "langfuse.observation.prompt.version": 1,
        "gen_ai.request.temperature": 0.7,
    });
    let usage = json!({"langfuse.observation.type": "generation",
        "langfuse.observation.usage_details": r#"{"input":100,"output":200,"total":300,"cached_input":50}"#});
    let vercel = json!({"ai.telemetry.metadata.userId": "u", "ai.telemetry.metadata.sessionId": "s"});
    check(
        &Prices::builtin(),
        &[
            case(
                "I-15, O-66",
                vec![request(json!({"deployment.environment": "Production"}), "", json!({}))],
                json!({&trace: {"environment": "production"}, span: {"environment": "production"}}),
            ),
            // There is no table of events here: what its record says of the span is in the span's row, and what it says of
            // the trace in the trace's.
            case(
                "O-75",
                vec![request(json!({"langfuse.release": "r1"}), "langfuse-sdk", full)],
                json!({
                    &trace: {"name": "chat", "tags": ["a", "b"], "user_id": "u", "session_id": "s", "release": "r1"},
                    span: {"type": "GENERATION", "prompt_name": "p", "prompt_version": 1, "model_parameters": r#"{"temperature":0.7}"#},
                }),
            ),
            case(
                "O-76",
                vec![request(json!({}), "", json!({}))],
                json!({
                    &trace: {"tags": []},
                    span: {"tool_calls": [], "tool_call_names": [], "tool_definitions": {}, "level": "DEFAULT",
                        "environment": "default", "type": "SPAN"},
                }),
            ),
            case(
                "O-79",
                vec![request(json!({}), "ai", vercel)],
                json!({&trace: {"user_id": "u", "session_id": "s"}}),
            ),
            case(
                "O-80",
                vec![request(json!({}), "langfuse-sdk", usage)],
                json!({span: {
                    "provided_usage_details": {"input": 100, "output": 200, "total": 300, "cached_input": 50},
                    "usage_details": {"input": 100, "output": 200, "total": 300, "cached_input": 50},
                }}),
            ),
            // The reference stores `{}`; nothing was sent that it would know.
            case(
                "O-5",
                vec![request(
                    json!({}),
                    "",
                    json!({"langfuse.observation.type": "generation", "langfuse.observation.model_parameters": r#"{"a":1}"#}),
                )],
                json!({span: {"model_parameters": null}}),
            ),
        ],
    );
}

/// The reference writes experiments of some scopes to its table of events. Here any scope's are spans like others.
#[test]
fn no_scope_is_preferred() {
    let experiment = json!({"langfuse.environment": "sdk-experiment"});
    let row = json!({"observation b7ad6b7169203331": {"environment": "sdk-experiment", "type": "SPAN"}});
    for (scope, language, version) in [
        ("openlit", "python", "3.9.0"),
        ("langfuse-sdk", "python", "3.9.0"),
        ("langfuse-sdk", "javascript", "4.4.0"),
        ("langfuse-sdk", "nodejs", "4.4.0"),
    ] {
        let mut sent = request(json!({"telemetry.sdk.language": language}), scope, experiment.clone());
        sent["resourceSpans"][0]["scopeSpans"][0]["scope"]["version"] = json!(version);
        check(&Prices::builtin(), &[case("O-69", vec![sent], row.clone())]);
    }
}

#[test]
fn a_span_of_which_the_name_is_empty_and_one_that_is_long() {
    let long = "x".repeat(100_000);
    let mut unnamed = request(json!({}), "", json!({"input": long, "output": long}));
    unnamed["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"] = json!("");
    let row = json!({"observation b7ad6b7169203331": {"name": "", "input": long, "output": long}});
    check(&Prices::builtin(), &[case("O-81, O-82", vec![unnamed], row)]);
}
