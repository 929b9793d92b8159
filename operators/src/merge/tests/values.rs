//! Tools, and metadata where it is deep or wide.

use tracemill_model::ingest::*;

use super::super::tools;
use super::build::*;

#[test]
fn tool_definitions() {
    let input = r#"{"tools":[
        {"type":"function","function":{"name":"a","description":"d","parameters":{"type": "object","n":1.0}}},
        {"name":"b","inputSchema":{}},
        {"name":"a","description":"again"},
        {"description":"no name"}, 7],
        "messages":[{"role":"user","content":"tool","tools":[{"name":"c","desc":"e"}]},
        {"role":"tool","content":{"type":"function","function":{"name":"f"}}}]}"#;
    let expected = pairs(&[
        (
            "a",
            r#"{"description":"d","parameters":"{\"type\":\"object\",\"n\":1.0}"}"#,
        ),
        ("b", r#"{"description":"","parameters":"{}"}"#),
        ("c", r#"{"description":"e","parameters":""}"#),
        ("f", r#"{"description":"","parameters":""}"#),
    ]);
    assert_eq!(tools::definitions(input), expected, "I-55");
    for wrong in [
        "",
        "tools",
        r#"{"tools":"#,
        r#"{"tools":7}"#,
        r#""tools""#,
        r#"{"tools":[[]]}"#,
        r#"["tool"]"#,
    ] {
        assert_eq!(tools::definitions(wrong), [], "I-55: {wrong}");
    }
}

#[test]
fn tool_calls() {
    let openai = r#"{"choices":[{"message":{"tool_calls":[
        {"id":"1","type":"function","index":0,"function":{"name":"a","arguments":"{\"x\":1}"}},
        {"id":"2","type":"function","index":1,"function":{"name":"b","arguments":"{}"}},
        {"id":"1","function":{"name":"a"}}]}}]}"#;
    let (calls, names) = tools::calls(openai);
    assert_eq!(names, texts(&["a", "b"]), "I-55");
    assert_eq!(
        &*calls[0],
        r#"{"id":"1","arguments":"{\"x\":1}","type":"function","index":0}"#
    );
    let vercel =
        r#"{"tool_calls":[{"toolCallId":"1","toolName":"a","args":{"x":2}},{"toolName":"a"},{"toolName":"a"}]}"#;
    let (calls, names) = tools::calls(vercel);
    assert_eq!(names, texts(&["a", "a"]), "I-55");
    assert_eq!(&*calls[0], r#"{"id":"1","arguments":"{\"x\":2}","type":"","index":0}"#);
    assert_eq!(&*calls[1], r#"{"id":"","arguments":"{}","type":"","index":0}"#);
    let anthropic = r#"[{"content":[{"type":"text"},{"type":"tool_use","id":"u","name":"a","input":{"y":1}}]}]"#;
    let (calls, _) = tools::calls(anthropic);
    // The reference has no arguments here: it does not look at `input`.
    assert_eq!(
        &*calls[0],
        r#"{"id":"u","arguments":"{\"y\":1}","type":"tool_use","index":0}"#
    );
    let kwargs = r#"{"additional_kwargs":{"tool_calls":[{"function":{"name":"k"}}]}}"#;
    assert_eq!(tools::calls(kwargs).1, texts(&["k"]));
    assert_eq!(
        tools::calls(r#"{"tool_calls":[1,null,{"id":"x"}]}"#),
        (Vec::new(), Vec::new())
    );
}

#[test]
fn tools_go_with_their_payload() {
    let body = |input: &str| ObservationBody {
        input: some(input),
        ..ObservationBody::default()
    };
    let with = create(ObservationType::Generation, 1, 0, body(r#"{"tools":[{"name":"a"}]}"#));
    let stored = observation_row(None, std::slice::from_ref(&with));
    assert_eq!(stored.tool_definitions.len(), 1);
    let kept = observation_row(
        Some(&stored),
        &[update(ObservationType::Generation, 2, 1, <_>::default())],
    );
    assert_eq!(kept.tool_definitions, stored.tool_definitions);
    let without = update(ObservationType::Generation, 2, 1, body("plain"));
    // The reference keeps the tools of the input that is gone: O11.
    assert!(observation_row(Some(&stored), &[without]).tool_definitions.is_empty());
}

#[test]
fn deep_and_wide_metadata_in_bounded_time() {
    let deep = |leaf: &str| format!("{}{leaf}{}", r#"{"a":"#.repeat(2000), "}".repeat(2000));
    let wide = |value: u32| {
        let entries: Vec<String> = (0..20_000)
            .map(|at| format!(r#""k{}":{value}"#, at * (1 + value)))
            .collect();
        format!(r#"{{"w":{{{}}},{}}}"#, entries.join(","), entries.join(","))
    };
    let with = |at, raw: &str| {
        trace(
            i64::from(at),
            at,
            TraceBody {
                metadata: json(raw),
                ..TraceBody::default()
            },
        )
    };
    let row = trace_row(None, &[with(1, &deep("1")), with(2, &deep("2"))]);
    assert!(row.metadata[0].1.contains(":2}"));
    let row = trace_row(None, &[with(1, &wide(0)), with(2, &wide(1))]);
    assert_eq!(row.metadata.len(), 1 + 20_000 + 10_000);
}

fn json(raw: &str) -> Metadata {
    crate::decode::json::metadata(raw)
}
