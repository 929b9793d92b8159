//! Bodies: which are valid, and what each says.

use tracemill_model::Millis;
use tracemill_model::ingest::{EventKind, Field, Level, MetadataValue, ObservationType, ScoreSource, ScoreType};
use tracemill_model::ingest::{ScoreValue, Text};

use super::{observation, read, reason, score, take, trace};

fn value(text: &str) -> Field<Text> {
    Field::Value(text.into())
}

#[test]
fn traces() {
    let body = trace(
        r#"{"id":"t","timestamp":"2026-02-25T12:15:00.9999999Z","name":"n","userId":null,"input":["a",{"b":"\ud83d\ude00"}],
            "output":{"x":1.0},"public":true,"tags":["b","a","b"],"sessionId":"s","externalId":"x","unknown":{"y":[]}}"#,
    );
    assert_eq!(body.timestamp, Some(Millis(1_772_021_700_999)));
    assert_eq!(
        (body.name, body.user_id, body.release),
        (value("n"), Field::Null, Field::Absent)
    );
    assert_eq!(body.input.as_deref(), Some(r#"["a",{"b":"\ud83d\ude00"}]"#), "I-2");
    // Defect D-21: as it was written.
    assert_eq!(body.output.as_deref(), Some(r#"{"x":1.0}"#));
    assert_eq!(body.tags, ["b".into(), "a".into(), "b".into()] as [Text; 3]);
    assert_eq!(
        (body.public, body.environment, body.session_id),
        (Some(true), None, value("s"))
    );
    let empty = trace("{}");
    // Defect D-9: the envelope's id.
    assert_eq!(&*empty.id, "e");
    assert_eq!(
        (empty.input, empty.metadata.len(), empty.public),
        (None, 0, None),
        "I-2"
    );
    assert_eq!(
        trace(r#"{"id":null,"public":null,"tags":null,"metadata":null}"#),
        trace("{}")
    );
}

#[test]
fn types() {
    for ty in ObservationType::ALL {
        let name = format!("{}-create", ty.lower());
        assert_eq!(
            read(&name, r#"{"id":"o"}"#).unwrap().kind,
            EventKind::ObservationCreate(ty),
            "I-3"
        );
    }
    for (name, ty) in [
        ("span", ObservationType::Span),
        ("generation", ObservationType::Generation),
    ] {
        let kind = read(&format!("{name}-update"), r#"{"id":"o"}"#).unwrap().kind;
        assert_eq!(kind, EventKind::ObservationUpdate(ty));
    }
    for ty in [
        "event-update",
        "tool-update",
        "SPAN-create",
        "-create",
        "create",
        "dataset_run_item-create",
    ] {
        assert!(read(ty, r#"{"id":"o"}"#).is_err(), "{ty}");
    }
}

#[test]
fn ids() {
    for part in "& $ @ = ; / + space , ? { } ^ % ` ] > [ ~ < # | ü 😀"
        .split(' ')
        .chain([r#"\""#, r"\\", " "])
    {
        let text = format!(r#"{{"id":"a{part}b"}}"#);
        let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(expected["id"].as_str(), Some(&*trace(&text).id), "I-4");
        assert_eq!(
            expected["id"].as_str(),
            Some(&*observation("span-create", &text).id),
            "I-4"
        );
    }
    let envelope = r#"{"id":"a\rb","type":"trace-create","timestamp":"2026-02-25T12:15:00Z","body":{}}"#;
    let batch = take(&[envelope.to_owned()]);
    assert_eq!(
        batch.rejected[0].reason, "id: must not contain carriage return characters",
        "I-5"
    );
    assert_eq!(
        reason("span-create", r#"{"id":"\u000d"}"#),
        "body.id: must not contain carriage return characters"
    );
    assert_eq!(reason("span-create", r#"{"id":""}"#), "body.id: must not be empty");
    assert_eq!(reason("span-create", "{}"), "body.id: must be there");
    assert_eq!(
        reason("span-create", r#"{"id":"o","traceId":7}"#),
        "body.traceId: must be a string"
    );
    // UTF-16 units, not bytes: this one has two of them and four bytes.
    let long = |count: usize| format!(r#"{{"id":"{}"}}"#, "😀".repeat(count));
    assert_eq!(trace(&long(400)).id.len(), 1600);
    assert_eq!(
        reason("trace-create", &long(401)),
        "body.id: must have at most 800 characters"
    );
}

#[test]
fn names_of_traces() {
    let named = |count: usize| format!(r#"{{"name":"{}"}}"#, "é".repeat(count));
    assert!(read("trace-create", &named(1000)).is_ok());
    assert_eq!(
        reason("trace-create", &named(1500)),
        "body.name: must have at most 1000 characters",
        "I-6"
    );
}

#[test]
fn environments() {
    for (sent, expected) in [
        ("Production", "production"),
        ("a-b_9", "a-b_9"),
        ("xlangfuse", "xlangfuse"),
    ] {
        let body = format!(r#"{{"id":"o","environment":"{sent}"}}"#);
        assert_eq!(trace(&body).environment.as_deref(), Some(expected));
        assert_eq!(observation("tool-create", &body).environment.as_deref(), Some(expected));
    }
    let long = format!(r#""{}""#, "a".repeat(44));
    for wrong in [
        r#""langfuse-test""#,
        r#""LangFuse""#,
        r#"".invalidcharacter!""#,
        &long,
        r#""""#,
        "null",
        "1",
        r#""é""#,
    ] {
        let body = format!(r#"{{"id":"o","environment":{wrong}}}"#);
        assert!(
            reason("trace-create", &body).starts_with("environment: "),
            "I-8: {wrong}"
        );
        assert!(read("span-create", &body).is_err(), "I-8: {wrong}");
    }
}

#[test]
fn metadata() {
    let text = |text: &str| MetadataValue::Text(text.into());
    let json = |text: &str| MetadataValue::Json(text.into());
    let sent = r#"{"id":"o","metadata":{"s":"v","n":"1983516295378495150","i":5,"f":5.5,"error":"","big":1983516295378495150}}"#;
    let expected = [
        ("s".into(), text("v")),
        ("n".into(), text("1983516295378495150")),
        ("i".into(), json("5")),
        ("f".into(), json("5.5")),
        ("error".into(), text("")),
        // Defect D-21: no digit is lost.
        ("big".into(), json("1983516295378495150")),
    ];
    assert_eq!(trace(sent).metadata, expected, "I-10, I-11");
    assert_eq!(observation("span-create", sent).metadata, expected, "I-10, I-11");
    // Defect D-17: false and 0 are values.
    for (sent, expected) in [
        ("false", json("false")),
        ("true", json("true")),
        ("0", json("0")),
        ("[1, 2]", json("[1,2]")),
    ] {
        let body = format!(r#"{{"metadata":{sent}}}"#);
        assert_eq!(trace(&body).metadata, [("metadata".into(), expected)]);
    }
}

#[test]
fn defect_d_17_inputs_that_are_false_zero_or_empty_are_values() {
    for (sent, expected) in [
        ("0", Some("0")),
        ("false", Some("false")),
        (r#""""#, Some("")),
        ("null", None),
        ("12345678901234567890.10", Some("12345678901234567890.10")),
        ("1e21", Some("1e21")),
        (r#"{ "b": 1, "a": [ ] }"#, Some(r#"{"b":1,"a":[]}"#)),
    ] {
        let body = format!(r#"{{"id":"o","input":{sent},"output":{sent}}}"#);
        let (trace, span) = (trace(&body), observation("span-update", &body));
        assert_eq!((trace.input.as_deref(), trace.output.as_deref()), (expected, expected));
        assert_eq!((span.input.as_deref(), span.output.as_deref()), (expected, expected));
    }
}

#[test]
fn observations() {
    let body = observation(
        "generation-create",
        r#"{"id":"o","traceId":"t","parentObservationId":"","name":null,"startTime":"2026-02-25T12:15:00Z","level":"ERROR",
            "endTime":"2026-02-25T14:15:01.5+02:00","completionStartTime":null,"statusMessage":null,"version":"v","model":"m",
            "promptName":"p","promptVersion":3}"#,
    );
    assert_eq!(
        (body.name, body.level, body.model),
        (Field::Null, Field::Value(Level::Error), value("m"))
    );
    assert_eq!((body.parent_observation_id, body.status_message), (None, None));
    assert_eq!(
        (body.start_time, body.end_time),
        (Some(Millis(1_772_021_700_000)), Some(Millis(1_772_021_701_500)))
    );
    assert_eq!((body.prompt_name.as_deref(), body.prompt_version), (Some("p"), Some(3)));
    assert!(!body.is_complete);
    // Fields that a type does not have are left out, whatever they hold.
    let span = observation("span-create", r#"{"id":"o","model":7,"usage":"x","promptName":"p"}"#);
    assert_eq!((span.model, span.prompt_name), (Field::Absent, None));
    let point = observation("event-create", r#"{"id":"o","endTime":"never"}"#);
    assert_eq!(point.end_time, None);
}

#[test]
fn observations_that_are_not_valid() {
    for (field, value) in [
        ("level", r#""error""#),
        ("startTime", r#""2026-02-25""#),
        ("endTime", "1772021700000"),
        ("name", "7"),
        ("statusMessage", "{}"),
        ("model", "[]"),
        ("promptName", r#""p""#),
        ("promptVersion", "3"),
        ("promptVersion", "1.5"),
        ("modelParameters", "[]"),
        ("modelParameters", r#"{"a":[1]}"#),
        ("modelParameters", r#"{"a":{"b":1}}"#),
        ("usageDetails", "[]"),
        ("costDetails", "1"),
        ("usage", r#"{"unit":"MILES"}"#),
    ] {
        let body = format!(r#"{{"id":"o","{field}":{value}}}"#);
        assert!(read("generation-create", &body).is_err(), "{body}");
    }
    // The cross check goes by truth: version 0 is none.
    assert!(read("generation-create", r#"{"id":"o","promptName":"p","promptVersion":0}"#).is_err());
    assert!(read("generation-create", r#"{"id":"o","promptName":"","promptVersion":0}"#).is_ok());
    let far = observation(
        "generation-create",
        r#"{"id":"o","promptName":"p","promptVersion":70000}"#,
    );
    assert_eq!((far.prompt_name, far.prompt_version), (None, None));
}

#[test]
fn model_parameters_as_text() {
    for (sent, expected) in [
        (
            r#"{"someKey":["user-1", "user-2"]}"#,
            Some(r#"{"someKey":["user-1","user-2"]}"#),
        ),
        (
            r#"{"t":0.70,"m":{"a":"b"},"n":null,"b":true}"#,
            Some(r#"{"t":0.70,"m":{"a":"b"},"n":null,"b":true}"#),
        ),
        ("{}", Some("{}")),
        ("null", None),
    ] {
        let body = observation("agent-create", &format!(r#"{{"id":"o","modelParameters":{sent}}}"#));
        assert_eq!(body.model_parameters.as_deref(), expected, "I-28");
    }
}

#[test]
fn defect_d_20_the_older_form_keeps_environment_and_prompt() {
    let body = observation(
        "observation-create",
        r#"{"type":"GENERATION","environment":"Prod","promptName":"p","promptVersion":2,"model":"m","modelParameters":{"a":1}}"#,
    );
    assert_eq!(&*body.id, "e");
    assert_eq!(
        (body.environment.as_deref(), body.prompt_name.as_deref()),
        (Some("prod"), Some("p"))
    );
    // What the reference strips unseen is no reason to refuse.
    let body = observation(
        "observation-update",
        r#"{"type":"SPAN","environment":"langfuse!","promptName":"p"}"#,
    );
    assert_eq!((body.environment, body.prompt_name), (None, None));
    for ty in [r#""AGENT""#, r#""span""#, "null"] {
        assert!(read("observation-create", &format!(r#"{{"id":"o","type":{ty}}}"#)).is_err());
    }
    assert!(read("observation-create", r#"{"type":"SPAN","modelParameters":{"a":["b"]}}"#).is_err());
}

#[test]
fn scores_of_every_type() {
    for (body, ty, expected) in [
        (r#""value":0.25"#, None, ScoreValue::Number(0.25)),
        (r#""value":"x""#, None, ScoreValue::Text("x".into())),
        (
            r#""value":1e2,"dataType":"NUMERIC","configId":"c""#,
            Some(ScoreType::Numeric),
            ScoreValue::Number(100.0),
        ),
        (
            r#""value":1.0,"dataType":"BOOLEAN""#,
            Some(ScoreType::Boolean),
            ScoreValue::Number(1.0),
        ),
        (
            r#""value":"a","dataType":"CATEGORICAL""#,
            Some(ScoreType::Categorical),
            ScoreValue::Text("a".into()),
        ),
        (
            r#""value":"long","dataType":"CORRECTION""#,
            Some(ScoreType::Correction),
            ScoreValue::Text("long".into()),
        ),
    ] {
        let read = score(&format!(r#"{{"name":"n","traceId":"t",{body}}}"#));
        assert_eq!((read.data_type, &read.value), (ty, &expected), "{body}");
        let is_correction = ty == Some(ScoreType::Correction);
        assert_eq!(&*read.name, if is_correction { "output" } else { "n" });
        assert_eq!(read.source, ScoreSource::Api);
    }
    // Null clears, absent keeps.
    let read = score(r#"{"name":"n","traceId":"t","value":1,"comment":null,"source":"EVAL","observationId":"o"}"#);
    assert_eq!(
        (read.comment, read.config_id, read.source),
        (Field::Null, Field::Absent, ScoreSource::Eval),
        "I-12"
    );
    assert_eq!(read.observation_id, value("o"));
}

#[test]
fn scores_that_are_not_valid() {
    for body in [
        r#""traceId":"t""#,
        r#""traceId":"t","value":null"#,
        r#""traceId":"t","value":true"#,
        r#""traceId":"t","value":1e999"#,
        r#""traceId":"t","value":"1","dataType":"NUMERIC""#,
        r#""traceId":"t","value":2,"dataType":"BOOLEAN""#,
        r#""traceId":"t","value":true,"dataType":"BOOLEAN""#,
        r#""traceId":"t","value":1,"dataType":"CATEGORICAL","stringValue":"x""#,
        r#""traceId":"t","value":1,"dataType":null"#,
        r#""traceId":"t","value":1,"dataType":"OTHER""#,
        r#""traceId":"t","value":1,"source":null"#,
        r#""traceId":"t","value":"x","dataType":"CORRECTION","configId":"c""#,
        r#""sessionId":"s","value":"x","dataType":"CORRECTION""#,
        r#""value":1"#,
        r#""traceId":"","value":1"#,
        r#""traceId":"t","sessionId":"s","value":1"#,
        r#""sessionId":"s","datasetRunId":"d","value":1"#,
        r#""sessionId":"s","observationId":"o","value":1"#,
        r#""traceId":"t","value":1,"name":"""#,
        r#""traceId":"t","value":1,"name":null"#,
        r#""traceId":"t","value":1,"comment":5"#,
    ] {
        assert!(
            read("score-create", &format!(r#"{{"name":"n",{body}}}"#)).is_err(),
            "{body}"
        );
    }
    let read = score(r#"{"name":"n","traceId":"","sessionId":"s","observationId":"","value":1}"#);
    assert_eq!((read.trace_id, read.observation_id), (None, Field::Null));
}
