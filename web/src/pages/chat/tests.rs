use super::*;

/// A conversation in short: `user: text | assistant: text, call name({...})`; `-` where it is none.
fn told(payload: &str) -> String {
    let Some(messages) = conversation(payload) else {
        return "-".to_owned();
    };
    let part = |part: &Part| match part {
        Part::Text(text) => text.clone(),
        Part::Thought(text) => format!("thought {text}"),
        Part::Call { name, arguments, .. } => format!("call {name}({arguments})"),
        Part::Answer { name, id, content } => {
            format!(
                "answer {}={content}",
                name.as_ref().or(id.as_ref()).map_or("", String::as_str)
            )
        }
        Part::Media { kind, place } => format!("media {kind} {}", place.as_deref().unwrap_or("inside")),
        Part::Json(json) => format!("json {json}"),
    };
    let one = |message: &Message| {
        let parts: Vec<String> = message.parts.iter().map(part).collect();
        let name = message
            .name
            .as_ref()
            .map(|name| format!("({name})"))
            .unwrap_or_default();
        format!("{}{name}: {}", message.role.name(), parts.join(", "))
    };
    messages.iter().map(one).collect::<Vec<_>>().join(" | ")
}

#[track_caller]
fn all(cases: &[(&str, &str)]) {
    for (payload, expected) in cases {
        assert_eq!(told(payload), *expected, "{payload}");
    }
}

#[test]
fn openai() {
    all(&[
        (
            r#"[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi"}]"#,
            "system: Be brief. | user: Hi",
        ),
        (
            r#"{"model":"m","messages":[{"role":"developer","content":"a"},{"role":"user","name":"bob","content":[{"type":"text","text":"b"},{"type":"image_url","image_url":{"url":"https://x/y.png"}}]}]}"#,
            "system: a | user(bob): b, media image url https://x/y.png",
        ),
        (
            r#"{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"add","arguments":"{\"a\": 1.10}"}}]}"#,
            r#"assistant: call add({"a": 1.10})"#,
        ),
        (
            r#"[{"role":"tool","tool_call_id":"call_1","content":"42"},{"role":"assistant","content":""}]"#,
            "tool: answer call_1=42 | assistant: ",
        ),
        (
            r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"Yes"}}]}"#,
            "assistant: Yes",
        ),
        (
            r#"[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}]"#,
            "user: media image url inside",
        ),
        (
            r#"{"instructions":"Be kind","input":[{"role":"user","content":[{"type":"input_text","text":"Sum?"}]},{"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}]},{"type":"function_call","call_id":"c","name":"sum","arguments":"[1,2]"},{"type":"function_call_output","call_id":"c","output":"3"}]}"#,
            "system: Be kind | user: Sum? | assistant: thought hm | assistant: call sum([1,2]) | tool: answer c=3",
        ),
        (
            r#"{"id":"r","output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Three"}]}]}"#,
            "assistant: Three",
        ),
    ]);
}

#[test]
fn anthropic() {
    all(&[
        (
            r#"{"system":"Be terse","messages":[{"role":"user","content":"Weather?"},{"role":"assistant","content":[{"type":"thinking","thinking":"look it up"},{"type":"text","text":"Let me see"},{"type":"tool_use","id":"t1","name":"weather","input":{"city":"Ulm"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":[{"type":"text","text":"rain"}]}]}]}"#,
            r#"system: Be terse | user: Weather? | assistant: thought look it up, Let me see, call weather({"city":"Ulm"}) | user: answer t1=rain"#,
        ),
        (
            r#"{"id":"msg","type":"message","role":"assistant","content":[{"type":"text","text":"Done"}],"stop_reason":"end_turn"}"#,
            "assistant: Done",
        ),
        (
            r#"[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"AAAA"}}]}]"#,
            "user: media image/jpeg inside",
        ),
    ]);
}

#[test]
fn the_ai_sdk() {
    all(&[
        (
            r#"{"system":"s","messages":[{"role":"user","content":[{"type":"text","text":"q"}]},{"role":"assistant","content":[{"type":"tool-call","toolCallId":"1","toolName":"find","args":{"q":1}}]},{"role":"tool","content":[{"type":"tool-result","toolCallId":"1","toolName":"find","output":{"type":"json","value":{"hits":0}}}]}]}"#,
            r#"system: s | user: q | assistant: call find({"q":1}) | tool: answer find={"hits":0}"#,
        ),
        (
            r#"{"text":"","toolCalls":[{"toolCallId":"1","toolName":"find","input":{"q":2}}]}"#,
            r#"assistant: call find({"q":2})"#,
        ),
        (r#"{"text":"ok","finishReason":"stop"}"#, "assistant: ok"),
        (r#"{"system":"s","prompt":"p"}"#, "system: s | user: p"),
        (r#"{"prompt":"p"}"#, "user: p"),
        (
            r#"[{"id":"m","role":"assistant","parts":[{"type":"step-start"},{"type":"tool-clock","toolCallId":"1","state":"output-available","input":{},"output":"noon"},{"type":"text","text":"It is noon"}]}]"#,
            "assistant: call clock({}), answer clock=noon, It is noon",
        ),
    ]);
}

#[test]
fn langchain() {
    all(&[
        (
            r#"[[{"type":"human","content":"Hi"},{"type":"ai","content":"","tool_calls":[{"name":"f","args":{"x":1},"id":"1","type":"tool_call"}]},{"type":"tool","name":"f","content":"2","tool_call_id":"1"}]]"#,
            r#"user: Hi | assistant: call f({"x":1}) | tool: answer f=2"#,
        ),
        (
            r#"{"lc":1,"type":"constructor","id":["langchain","schema","messages","AIMessage"],"kwargs":{"content":"Hello","additional_kwargs":{}}}"#,
            "assistant: Hello",
        ),
        (
            r#"{"messages":[{"type":"system","data":{"content":"s"}},{"type":"human","data":{"content":"u"}}]}"#,
            "system: s | user: u",
        ),
        (
            r#"{"generations":[[{"text":"Yes","message":{"lc":1,"type":"constructor","id":["x","AIMessageChunk"],"kwargs":{"content":"Yes"}}}]]}"#,
            "assistant: Yes",
        ),
    ]);
}

#[test]
fn gemini_and_opentelemetry() {
    all(&[
        (
            r#"{"systemInstruction":{"parts":[{"text":"s"}]},"contents":[{"role":"user","parts":[{"text":"q"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{"a":1}}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"b":2}}}]}]}"#,
            r#"system: s | user: q | assistant: call f({"a":1}) | user: answer f={"b":2}"#,
        ),
        (
            r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"a"}]}}]}"#,
            "assistant: a",
        ),
        (
            r#"[{"role":"user","parts":[{"type":"text","content":"q"}]},{"role":"assistant","parts":[{"type":"tool_call","id":"1","name":"f","arguments":{"a":1}}]},{"role":"tool","parts":[{"type":"tool_call_response","id":"1","response":"r"}]}]"#,
            r#"user: q | assistant: call f({"a":1}) | tool: answer 1=r"#,
        ),
    ]);
}

#[test]
fn what_is_no_conversation_is_left_as_it_is() {
    for payload in [
        "plain text",
        "",
        "42",
        "[]",
        "{}",
        "[1,2]",
        r#""role""#,
        r#"{"role":"admin","content":"x"}"#,
        r#"{"role":"user"}"#,
        r#"{"query":"x","top_k":3}"#,
        r#"{"text":"a document","score":0.5}"#,
        r#"{"input":"x","temperature":0.2}"#,
        r#"{"output":"x"}"#,
        r#"{"messages":"none"}"#,
        r#"[{"role":"user","content":"a"},{"note":"b"}]"#,
        r#"{"messages":[{"role":"user","content":"a"}"#,
        &"[".repeat(400),
        &format!("{}1{}", "[".repeat(60), "]".repeat(60)),
    ] {
        assert_eq!(told(payload), "-", "{payload}");
    }
}

#[test]
fn parts_that_are_not_known_are_shown_as_json() {
    all(&[(
        r#"[{"role":"user","content":[{"type":"new","x":1},7,null,"t"]}]"#,
        r#"user: json {"type":"new","x":1}, json 7, t"#,
    )]);
}
