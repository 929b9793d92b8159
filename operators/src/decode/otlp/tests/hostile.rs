//! What nobody should send.

use proptest::prelude::*;
use serde_json::json;

use super::super::count;
use super::request::protobuf;
use super::*;

const FORMS: [RawForm; 3] = [RawForm::OtlpProtobuf, RawForm::OtlpJson, RawForm::OtlpStored];

fn read(bytes: &[u8], form: RawForm) {
    drop(object(bytes, form, RECEIVED, &Sdk::default()));
    drop(count(bytes, form));
}

fn sample() -> serde_json::Value {
    json!({
        "langfuse.observation.type": "generation", "langfuse.observation.usage_details": r#"{"input":1}"#,
        "langfuse.observation.metadata.a": "\"\\ud83d\"", "gen_ai.prompt.0.content": "x", "list": [1, [2, {"a": 0.5}]],
        "langfuse.observation.cost_details": "{\"a\":1e-5}", "langfuse.trace.tags": "[\"a\"]", "events": "[{}]",
    })
}

proptest! {
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        FORMS.iter().for_each(|form| read(&bytes, *form));
    }

    #[test]
    fn any_change_of_a_request(places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let proto = protobuf(&json!({"a": "b"}), "ai", &sample());
        let json = super::request(json!({"a": "b"}), json!({"name": "s"}), json!([span(sample(), json!({}))])).to_string();
        for (form, mut bytes) in [(RawForm::OtlpProtobuf, proto), (RawForm::OtlpJson, json.into_bytes())] {
            for (place, byte) in &places {
                let place = place.index(bytes.len());
                bytes[place] = *byte;
            }
            // What the intake takes can be read, whatever is wrong within it.
            if let Ok(counts) = count(&bytes, form) {
                let decoded = object(&bytes, form, RECEIVED, &Sdk::default());
                prop_assert!(decoded.is_ok_and(|decoded| decoded.events.len() + decoded.rejected.len() >= counts.spans));
            }
        }
    }

    #[test]
    fn any_text_in_any_attribute(text in r#"[\[\]{}":,.0-9a-e\\ud83 \-]{0,24}"#, segment in "[0-9a.]{0,20}") {
        let mut attributes = sample();
        for key in ["langfuse.observation.usage_details", "langfuse.observation.metadata", "events", "langfuse.trace.tags",
            "langfuse.observation.model.parameters", "langfuse.observation.cost_details", "ai.telemetry.metadata.langfusePrompt",
            "langfuse.observation.completion_start_time", "ai.response.providerMetadata"]
        {
            attributes[key] = json!(text);
        }
        attributes[format!("gen_ai.prompt.{segment}")] = json!(text);
        for scope in ["", "ai"] {
            let request = super::request(json!({}), json!({"name": scope}), json!([span(attributes.clone(), json!({}))]));
            prop_assert_eq!(observations(&decode(&request)).len(), 1);
        }
    }
}

#[test]
fn deep_values() {
    let mut value = vec![];
    for _ in 0..100_000 {
        // Each level: an array with one value.
        let mut outer = Vec::with_capacity(value.len() + 16);
        for tag in [0x0a, 0x2a] {
            outer.clear();
            outer.push(tag);
            prost::encode_length_delimiter(value.len(), &mut outer).unwrap();
            outer.extend_from_slice(&value);
            std::mem::swap(&mut value, &mut outer);
        }
        if value.len() > 20_000 {
            break;
        }
    }
    let mut field = vec![0x0a, 1, b'k', 0x12];
    prost::encode_length_delimiter(value.len(), &mut field).unwrap();
    field.extend_from_slice(&value);
    let mut span_ = vec![0x12, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0x4a];
    prost::encode_length_delimiter(field.len(), &mut span_).unwrap();
    span_.extend_from_slice(&field);
    for tag in [0x12, 0x12, 0x0a] {
        let mut outer = vec![tag];
        prost::encode_length_delimiter(span_.len(), &mut outer).unwrap();
        outer.extend_from_slice(&span_);
        span_ = outer;
    }
    let decoded = object(&span_, RawForm::OtlpProtobuf, RECEIVED, &Sdk::default()).unwrap();
    assert_eq!(
        (&*decoded.rejected[0].id, decoded.events.len()),
        ("0102030405060708", 0)
    );

    for (open, close) in [
        (r#"{"arrayValue":{"values":["#, "]}}"),
        (r#"{"kvlistValue":{"values":[{"key":"k","value":"#, "}]}}"),
        ("[", "]"),
    ] {
        let deep = format!("{}{{}}{}", open.repeat(50_000), close.repeat(50_000));
        let good = child("1111111111111111", json!({}));
        let body = format!(
            r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"traceId":"a","spanId":"b","attributes":[{{"key":"k","value":{deep}}}]}},{good}]}}]}}]}}"#
        );
        let decoded = object(body.as_bytes(), RawForm::OtlpJson, RECEIVED, &Sdk::default()).unwrap();
        assert!(
            observations(&decoded)
                .iter()
                .any(|body| &*body.id == "1111111111111111")
        );
        assert_eq!(decoded.rejected.len(), usize::from(open != "["), "{open}");
    }
    for (depth, is_read) in [(100, true), (101, false), (100_000, false)] {
        let group = [vec![0x0b; depth], vec![0x0c; depth]].concat();
        assert_eq!(
            count(&group, RawForm::OtlpProtobuf).is_ok(),
            is_read,
            "groups {depth} deep"
        );
    }
    // What is too deep for an attribute, but not for a request, is a letter of its span: the intake takes the others.
    let (open, close) = (r#"{"kvlistValue":{"values":[{"key":"k","value":"#, "}]}}");
    for (depth, letters) in [(64, 0), (65, 1), (120, 1)] {
        let deep = format!("{}{{}}{}", open.repeat(depth), close.repeat(depth));
        let body = request_text("x").replace(r#"{"stringValue":"x"}"#, &deep);
        assert!(count(body.as_bytes(), RawForm::OtlpJson).is_ok(), "{depth} deep");
        let decoded = object(body.as_bytes(), RawForm::OtlpJson, RECEIVED, &Sdk::default()).unwrap();
        assert_eq!(decoded.rejected.len(), letters, "{depth} deep");
    }
    // The request is an object, and its array the first level below.
    for (depth, is_taken) in [(512, true), (513, false), (1_000_000, false)] {
        let body = format!(r#"{{"resourceSpans":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert_eq!(
            count(body.as_bytes(), RawForm::OtlpJson).is_ok(),
            is_taken,
            "{depth} deep"
        );
    }
}

/// A scope that is broken costs its name alone: its own spans arrive, and those of the other resources.
#[test]
fn a_broken_scope_harms_no_span() {
    let good = protobuf(&json!({"service.name": "s"}), "scope-name", &json!({"input": "i"}));
    let name = good
        .windows(10)
        .position(|window| window == b"scope-name")
        .expect("the scope's name");
    // The length of the name reaches beyond the scope's message.
    let mut broken = good.clone();
    broken[name - 1] = 0x7f;
    assert_eq!(
        count(&broken, RawForm::OtlpProtobuf).map(|counts| counts.spans),
        Ok(1),
        "the intake takes it"
    );
    let both = [broken, good].concat();
    let decoded = object(&both, RawForm::OtlpProtobuf, RECEIVED, &Sdk::default()).unwrap();
    assert_eq!((observations(&decoded).len(), decoded.rejected.len()), (2, 0));
    let scopes: Vec<_> = observations(&decoded)
        .iter()
        .map(|body| tree(&body.metadata, "scope")["name"].clone())
        .collect();
    assert_eq!(scopes, [json!(null), json!("scope-name")]);
}

#[test]
fn many_and_long_names() {
    let many: serde_json::Map<_, _> = (0..20_000).map(|n| (format!("key{n}"), json!(n))).collect();
    let (_, body, _) = root(json!(many));
    assert_eq!(tree(&body.metadata, "attributes").as_object().unwrap().len(), 20_000);
    let many: serde_json::Map<_, _> = (0..20_000)
        .map(|n| (format!("langfuse.metadata.{n}"), json!(n)))
        .collect();
    assert_eq!(root(json!(many)).1.metadata.len(), 20_003);
    let long = format!("gen_ai.prompt{}", ".9999999".repeat(10_000));
    assert!(root(json!({long: "x"})).1.input.unwrap().len() < 100_000);
    // The last of equal names counts; invalid UTF-8 and half a surrogate pair are replaced.
    let pair = |value: &str| json!({"key": "input", "value": {"stringValue": value}});
    let twice = json!([pair("first"), pair("last")]);
    let (_, body, _) = only(&spans(json!([span(json!({}), json!({"attributes": twice}))])));
    assert_eq!(body.input.as_deref(), Some("last"));
    let body = request_text("half \\ud83d!");
    let decoded = object(body.as_bytes(), RawForm::OtlpJson, RECEIVED, &Sdk::default()).unwrap();
    assert_eq!(observations(&decoded)[0].input.as_deref(), Some("half \u{FFFD}!"));
    let mut bytes = protobuf(&json!({}), "", &json!({"input": "abcdef"}));
    let at = bytes.windows(6).position(|window| window == b"abcdef").unwrap();
    bytes[at] = 0xff;
    let decoded = object(&bytes, RawForm::OtlpProtobuf, RECEIVED, &Sdk::default()).unwrap();
    assert_eq!(observations(&decoded)[0].input.as_deref(), Some("\u{FFFD}bcdef"));
}

fn request_text(input: &str) -> String {
    super::request(json!({}), json!({}), json!([span(json!({"input": "@"}), json!({}))]))
        .to_string()
        .replace('@', input)
}

/// Prints what a span of 2 KB costs. Run with `--release --run-ignored only --no-capture`.
#[test]
#[ignore = "a measurement"]
fn speed() {
    let mut attributes = json!({
        "user.id": "user-42", "session.id": "sess-99", "langfuse.trace.name": "chat-turn", "langfuse.trace.tags": ["a", "b"],
        "langfuse.observation.type": "generation", "langfuse.observation.model.name": "gpt-4o-mini",
        "langfuse.observation.model.parameters": r#"{"temperature":0.2,"max_tokens":100}"#,
        "langfuse.observation.usage_details": r#"{"input":12,"output":3,"total":15}"#,
        "langfuse.observation.cost_details": r#"{"input":0.001,"output":0.002}"#, "langfuse.environment": "staging",
        "langfuse.observation.metadata.a": "b", "langfuse.trace.metadata.c": "d", "langfuse.release": "r1",
        "langfuse.observation.output": "y".repeat(500),
    });
    attributes["langfuse.observation.input"] = json!("x".repeat(900));
    let proto = protobuf(&json!({"service.name": "s"}), "langfuse-sdk", &attributes);
    let spans: Vec<_> = (0..500)
        .map(|n| child(&format!("{n:016x}1"), attributes.clone()))
        .collect();
    let text = super::request(
        json!({"service.name": "s"}),
        json!({"name": "langfuse-sdk"}),
        json!(spans),
    )
    .to_string();
    for (form, bytes, spans) in [
        (RawForm::OtlpProtobuf, proto, 1),
        (RawForm::OtlpJson, text.into_bytes(), 500),
    ] {
        for (what, call) in [("read", object_of as fn(&[u8], RawForm) -> usize), ("count", count_of)] {
            let rounds = 100_000 / spans;
            let from = std::time::Instant::now();
            let total: usize = (0..rounds).map(|_| call(&bytes, form)).sum();
            let each = from.elapsed().as_secs_f64() * 1e6 / (rounds * spans) as f64;
            println!(
                "{form:?} {what}: {each:.2} us a span of {} bytes ({total})",
                bytes.len() / spans
            );
        }
    }
}

fn object_of(bytes: &[u8], form: RawForm) -> usize {
    object(bytes, form, RECEIVED, &Sdk::default()).unwrap().events.len()
}

fn count_of(bytes: &[u8], form: RawForm) -> usize {
    count(bytes, form).unwrap().spans
}
