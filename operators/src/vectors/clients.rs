//! What real clients sent (`tests/fixtures/sdk`), to the rows that come of it.

use serde_json::json;

use super::*;

const PYTHON_2: &str = include_str!("../../../tests/fixtures/sdk/09-python2-ingestion.json");
const JS_3: &str = include_str!("../../../tests/fixtures/sdk/10-js3-ingestion.json");
const PYTHON_3: &str = include_str!("../../../tests/fixtures/sdk/11-python3-scores-ingestion.json");
const PYTHON_5: &str = include_str!("../../../tests/fixtures/sdk/12-python5-scores.json");

/// The trace of both programs, but for its times.
fn trace() -> Json {
    json!({"name": "chat-turn", "user_id": "user-42", "session_id": "sess-99", "release": "rel-1.2.3", "version": "v7",
        "tags": ["alpha", "beta"], "public": true, "environment": "staging", "input": r#"{"q":"2+2"}"#,
        "output": r#"{"answer":4}"#, "metadata": {"tenant": "acme", "num": "5"}})
}

#[test]
fn python_2() {
    let (span, generation) = (
        "observation 098190e5-65e6-465d-9838-ba99d08e6cd1",
        "observation 143fb1dc-0ca9-462c-8612-b8e2c39ba930",
    );
    let rows = json!({
        "trace trace-1": trace(),
        span: {"type": "SPAN", "name": "retrieve", "trace_id": "trace-1", "parent_observation_id": null, "level": "ERROR",
            "status_message": "bad", "input": "what", "output": r#"["doc"]"#, "metadata": {"k": "3"}, "environment": "staging",
            "start_time": "2026-11-23T14:45:20.039Z", "end_time": "2026-11-23T14:45:20.050Z"},
        generation: {"type": "GENERATION", "name": "llm", "parent_observation_id": "098190e5-65e6-465d-9838-ba99d08e6cd1",
            "provided_model_name": "gpt-4o-mini", "internal_model_id": "gpt-4o-mini",
            "model_parameters": r#"{"temperature":"0.2","stop":["a"]}"#, "input": r#"[{"role":"user","content":"2+2?"}]"#,
            "output": r#"{"role":"assistant","content":"4"}"#, "level": "DEFAULT", "prompt_name": "my-prompt", "prompt_version": 3,
            "provided_usage_details": {"input": 12, "output": 3, "total": 15, "cache_read": 4},
            "usage_details": {"input": 12, "output": 3, "total": 15, "cache_read": 4},
            "provided_cost_details": {"input": "0.001", "output": "0.002"},
            "cost_details": {"input": "0.001", "output": "0.002", "total": "0.003"}, "total_cost": "0.003",
            "completion_start_time": "2025-01-02T03:04:05.678Z", "end_time": "2026-11-23T14:45:20.040Z"},
        "observation 82bee897-dfd2-47e6-aa44-cd108d21bdec": {"type": "EVENT", "name": "evt", "level": "WARNING",
            "status_message": "sm", "input": r#"{"i":1}"#, "end_time": null},
        "score 47769ac9-1589-4b8b-8b92-30a629d246c6": {"name": "g-score", "value": 0.9, "comment": "ok", "data_type": "NUMERIC",
            "observation_id": "143fb1dc-0ca9-462c-8612-b8e2c39ba930", "environment": "staging"},
        "score 57807131-c9c4-4e5e-8eab-5e6850087033": {"value": 0.0, "string_value": "good", "data_type": "CATEGORICAL"},
        "score sid-1": {"value": 1.0, "string_value": "True", "data_type": "BOOLEAN", "trace_id": "trace-1", "source": "API"},
    });
    check(&Prices::builtin(), &[case("python 2", vec![json!(PYTHON_2)], rows)]);
}

/// Its updates come before their creates, within one millisecond.
#[test]
fn js_3() {
    let (span, generation) = (
        "observation 651dfc49-e6fe-43b7-baa3-f1af920999f6",
        "observation 5dc40146-4aa8-4ae6-adc7-57845c39293c",
    );
    let rows = json!({
        "trace trace-js": trace(),
        span: {"type": "SPAN", "name": "retrieve", "level": "ERROR", "status_message": "bad", "input": "what",
            "output": r#"["doc"]"#, "metadata": {"k": "3"}},
        generation: {"type": "GENERATION", "name": "llm", "provided_model_name": "gpt-4o-mini",
            "model_parameters": r#"{"temperature":0.2}"#, "output": r#"{"role":"assistant","content":"4"}"#,
            "input": r#"[{"role":"user","content":"2+2?"}]"#, "prompt_name": "my-prompt", "prompt_version": 3,
            "usage_details": {"input": 12, "output": 3, "total": 15}, "cost_details": {"input": "0.001", "total": "0.001"},
            "completion_start_time": "2025-01-02T03:04:05.678Z", "level": "DEFAULT"},
        "observation df9dfefb-55f6-4c9f-8316-e4916242880a": {"type": "EVENT", "level": "WARNING", "status_message": "sm",
            "parent_observation_id": "651dfc49-e6fe-43b7-baa3-f1af920999f6"},
        "score 18855699-6c80-42d3-bab9-6a1cb5006d6a": {"name": "g-score", "value": 0.9, "comment": "ok"},
        "score 7cb78a84-00cf-4b0a-ae45-3a069b06516f": {"string_value": "good", "observation_id": null},
        "score sid-1": {"value": 1.0, "string_value": "True"},
    });
    check(&Prices::builtin(), &[case("js 3", vec![json!(JS_3)], rows)]);
}

#[test]
fn scores_of_python_3_and_5() {
    let rows = |numeric: &str, categorical: &str, boolean: &str| {
        json!({
            format!("score {numeric}"): {"name": "g-score", "value": 0.9, "comment": "ok", "environment": "staging",
                "data_type": "NUMERIC"},
            format!("score {categorical}"): {"name": "t-score", "string_value": "good", "data_type": "CATEGORICAL"},
            format!("score {boolean}"): {"name": "b-score", "value": 1.0, "string_value": "True", "data_type": "BOOLEAN"},
            "score sid-1": {"name": "manual", "value": 3.5, "data_type": "NUMERIC", "metadata": {"x": "1"},
                "trace_id": "ba7816bf8f01cfea414140de5dae2223"},
        })
    };
    check(
        &Prices::builtin(),
        &[
            case(
                "python 3",
                vec![json!(PYTHON_3)],
                rows("a225b5ca79c4100f", "e12adb0219dfcf69", "cff47e1afe5a962a"),
            ),
            case(
                "python 5",
                vec![json!(PYTHON_5)],
                rows("379d57240a28c047", "ed2b56940f7191dd", "264d4f03cb3e0d85"),
            ),
        ],
    );
}
