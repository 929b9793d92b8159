//! The three encodings of a request, and its frame.

use prost::Message;
use serde_json::{Value as Json, json};
use tracemill_model::ingest::Encoding;

use super::super::{Counts, OtlpError, count, decompress};
use super::*;

#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<Resource>,
}
#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, optional, tag = "1")]
    resource: Option<Attributes>,
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<ScopeSpans>,
}
#[derive(Clone, PartialEq, Message)]
struct Attributes {
    #[prost(message, repeated, tag = "1")]
    pairs: Vec<Pair>,
}
#[derive(Clone, PartialEq, Message)]
struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Span>,
}
#[derive(Clone, PartialEq, Message)]
struct Scope {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    version: String,
}
#[derive(Clone, PartialEq, Message)]
pub(super) struct Span {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    parent: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(fixed64, tag = "7")]
    start: u64,
    #[prost(fixed64, tag = "8")]
    end: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<Pair>,
    #[prost(fixed32, tag = "16")]
    flags: u32,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
}
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(string, tag = "2")]
    message: String,
    #[prost(int32, tag = "3")]
    code: i32,
}
#[derive(Clone, PartialEq, Message)]
pub(super) struct Pair {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<Any>,
}
#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(oneof = "Of", tags = "1, 2, 3, 4, 5, 6, 7")]
    of: Option<Of>,
}
#[derive(Clone, PartialEq, Message)]
struct Items {
    #[prost(message, repeated, tag = "1")]
    values: Vec<Any>,
}
#[derive(Clone, PartialEq, prost::Oneof)]
enum Of {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(int64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(message, tag = "5")]
    Array(Items),
    #[prost(message, tag = "6")]
    Map(Attributes),
    #[prost(bytes = "vec", tag = "7")]
    Bytes(Vec<u8>),
}

fn any_of(value: &Json) -> Any {
    let of = match value {
        Json::Null => None,
        Json::Bool(value) => Some(Of::Bool(*value)),
        Json::Number(value) => Some(
            value
                .as_i64()
                .map_or_else(|| Of::Double(value.as_f64().unwrap()), Of::Int),
        ),
        Json::String(value) => Some(Of::Text(value.clone())),
        Json::Array(items) => Some(Of::Array(Items {
            values: items.iter().map(any_of).collect(),
        })),
        Json::Object(_) => Some(Of::Map(Attributes { pairs: pairs_of(value) })),
    };
    Any { of }
}

fn pairs_of(object: &Json) -> Vec<Pair> {
    let pair = |(key, value): (&String, &Json)| Pair {
        key: key.clone(),
        value: Some(any_of(value)),
    };
    object.as_object().unwrap().iter().map(pair).collect()
}

/// A request of one root span, as protobuf.
pub(super) fn protobuf(resource: &Json, scope: &str, attributes: &Json) -> Vec<u8> {
    let span = Span {
        trace_id: vec![
            0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c,
        ],
        span_id: vec![0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31],
        name: "the-span".to_owned(),
        start: 1_744_317_592_317_227_000,
        end: 1_744_317_592_500_000_001,
        attributes: pairs_of(attributes),
        flags: 256,
        ..Span::default()
    };
    of_spans(resource, scope, vec![span])
}

fn of_spans(resource: &Json, scope: &str, spans: Vec<Span>) -> Vec<u8> {
    let scope = Scope {
        name: scope.to_owned(),
        ..Scope::default()
    };
    let resource = Resource {
        resource: Some(Attributes {
            pairs: pairs_of(resource),
        }),
        scopes: vec![ScopeSpans {
            scope: Some(scope),
            spans,
        }],
    };
    Request {
        resources: vec![resource],
    }
    .encode_to_vec()
}

/// Resources of scopes of spans without attributes, as protobuf: trace, span, and whether it is a root.
pub(super) fn frame(resources: &[Vec<Vec<(u8, u8, bool)>>]) -> Vec<u8> {
    let span = |(trace, id, is_root): &(u8, u8, bool)| Span {
        trace_id: vec![*trace; 16],
        span_id: vec![*id; 8],
        parent: if *is_root { Vec::new() } else { vec![255; 8] },
        name: format!("span {id}"),
        start: 1_744_317_592_317_227_000 + u64::from(*id),
        end: 1_744_317_592_500_000_001,
        flags: 256,
        ..Span::default()
    };
    let scope = |(n, spans): (usize, &Vec<(u8, u8, bool)>)| ScopeSpans {
        scope: Some(Scope {
            name: format!("scope {n}"),
            ..Scope::default()
        }),
        spans: spans.iter().map(span).collect(),
    };
    let resource = |scopes: &Vec<Vec<(u8, u8, bool)>>| Resource {
        resource: Some(Attributes {
            pairs: pairs_of(&json!({"service.name": "s"})),
        }),
        scopes: scopes.iter().enumerate().map(scope).collect(),
    };
    Request {
        resources: resources.iter().map(resource).collect(),
    }
    .encode_to_vec()
}

fn of_protobuf(bytes: &[u8]) -> Decoded {
    object(bytes, RawForm::OtlpProtobuf, RECEIVED, &Sdk::default()).unwrap()
}

#[test]
fn three_encodings_give_the_same_events() {
    let resource = json!({"service.version": "1.0", "n": 3});
    let attributes = json!({
        "zero": 0, "int": -7, "large": 3_000_000_000_i64, "min": i64::MIN, "double": 0.3, "whole": 1.0, "tiny": 1e-9,
        "text": "ä\"\n", "list": [], "map": {"a": {"b": [1, null]}}, "null": null, "langfuse.trace.tags": ["a", "b"],
        "langfuse.observation.input": "{\"q\": 1}",
    });
    let proto = of_protobuf(&protobuf(&resource, "s", &attributes));
    let json = decode(&request(
        resource.clone(),
        json!({"name": "s"}),
        json!([span(attributes.clone(), json!({}))]),
    ));
    assert_eq!(proto, json);
    let stored_int = |value: i64| {
        let (low, high) = (value as i32, (value >> 32) as i32);
        json!({"intValue": {"low": low, "high": high, "unsigned": false}})
    };
    let mut stored = request(
        resource,
        json!({"name": "s"}),
        json!([span(attributes.clone(), json!({}))]),
    );
    let stored = stored["resourceSpans"].take();
    let mut stored = stored;
    let span = &mut stored[0]["scopeSpans"][0]["spans"][0];
    span["spanId"] = json!({"type": "Buffer", "data": [0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31]});
    span["startTimeUnixNano"] = json!({"low": 1_744_317_592_317_227_000_u64 as i32, "high": 1_744_317_592_317_227_000_u64 >> 32, "unsigned": true});
    for attribute in span["attributes"].as_array_mut().unwrap() {
        if let Some(int) = attributes[attribute["key"].as_str().unwrap()].as_i64() {
            attribute["value"] = stored_int(int);
        }
    }
    let stored = object(
        stored.to_string().as_bytes(),
        RawForm::OtlpStored,
        RECEIVED,
        &Sdk::default(),
    )
    .unwrap();
    assert_eq!(stored, json, "section 4, D-16");
    let kept = tree(&only(&json).1.metadata, "attributes");
    let expected = json!({
        "zero": "0", "int": "-7", "large": "3000000000", "min": i64::MIN.to_string(), "double": "0.3", "whole": "1",
        "tiny": "1e-9", "text": "ä\"\n", "list": "[]", "map": r#"{"a":{"b":[1,null]}}"#, "null": "null",
        "langfuse.trace.tags": r#"["a","b"]"#,
    });
    assert_eq!(kept, expected, "D-16");
}

#[test]
fn ids_and_times() {
    let ids = json!({
        "traceId": {"type": "Buffer", "data": [44, 206, 24, 247, 232, 205, 6, 90, 11, 78, 99, 78, 239, 114, 131, 145]},
        "spanId": {"type": "Buffer", "data": [223, 227, 135, 254, 167, 239, 59, 2]},
        "parentSpanId": {"type": "Buffer", "data": []},
    });
    let decoded = spans(json!([span(json!({}), ids)]));
    let (_, body, _) = only(&decoded);
    assert_eq!(
        body.trace_id.as_deref(),
        Some("2cce18f7e8cd065a0b4e634eef728391"),
        "O-2"
    );
    assert_eq!(&*body.id, "dfe387fea7ef3b02", "O-2");
    assert_eq!((body.parent_observation_id, decoded.events.len()), (None, 2), "O-16");
    let table = [
        (
            "O-3",
            json!({"low": 466_848_096, "high": 406_528_574}),
            "2025-04-30T15:28:50.686Z",
        ),
        (
            "O-3",
            json!({"low": 205_413_096, "high": 406_528_574}),
            "2025-04-30T15:28:50.424Z",
        ),
        (
            "O-51",
            json!({"low": 1_095_848_032, "high": 406_260_507}),
            "2025-04-17T07:39:52.317Z",
        ),
        (
            "O-51",
            json!({"low": -1_431_863_980, "high": 406_260_507, "unsigned": true}),
            "2025-04-17T07:39:54.084Z",
        ),
        ("O-51", json!("1744317592317227000"), "2025-04-10T20:39:52.317Z"),
        ("O-51", json!(1_744_317_592_317_999_999_i64), "2025-04-10T20:39:52.317Z"),
    ];
    for (vector, time, expected) in table {
        let times = json!({"startTimeUnixNano": time, "endTimeUnixNano": null});
        let (_, body, _) = only(&spans(json!([span(json!({}), times)])));
        let expected = Some(Millis::parse(expected).unwrap());
        // Without an end it is the start; the reference loses the whole request.
        assert_eq!(
            (body.start_time, body.end_time),
            (expected, expected),
            "{vector}: {time}"
        );
    }
    // 0/0 is the epoch in the reference: for us it is a time that was not sent.
    let none = json!({"startTimeUnixNano": {"low": 0, "high": 0}, "endTimeUnixNano": null});
    let (_, body, _) = only(&spans(json!([span(json!({}), none)])));
    assert_eq!(
        (body.start_time, body.end_time),
        (Some(RECEIVED), Some(RECEIVED)),
        "O-51"
    );
    let (_, body, _) = scoped("litellm", json!({"langfuse.trace.id": "mine"}));
    assert_eq!(body.trace_id.as_deref(), Some("mine"));
}

#[test]
fn a_bad_span_is_rejected_alone() {
    let good = || child("1111111111111111", json!({}));
    let bad = [
        span(json!({}), json!({"spanId": ""})),
        span(json!({}), json!({"spanId": 7})),
        span(json!({}), json!({"traceId": "00000000000000000000000000000000"})),
        span(json!({}), json!({"traceId": "a\rb"})),
        span(json!({}), json!({"traceId": "x".repeat(801)})),
        span(json!({}), json!({"startTimeUnixNano": "yesterday"})),
        span(json!({}), json!({"endTimeUnixNano": "18446744073709551615"})),
        span(json!({"langfuse.environment": "not ok"}), json!({})),
        span(json!({"deployment.environment": "langfuse-x"}), json!({})),
        json!(null),
        json!("span"),
    ];
    for bad in bad {
        let decoded = spans(json!([good(), bad, good()]));
        assert_eq!((decoded.rejected.len(), decoded.rejected[0].index), (1, 1), "{bad}");
        assert_eq!(observations(&decoded).len(), 2, "{bad}");
    }
    // What is wrong with the observation alone leaves the trace.
    let decoded = spans(json!([span(json!({"langfuse.observation.level": "LOUD"}), json!({}))]));
    assert_eq!(
        (kinds(&decoded), decoded.rejected.len()),
        (vec!["trace-create".to_owned()], 1)
    );
    // What has a wrong type elsewhere counts as absent.
    for request in [
        json!({"resourceSpans": [null, 1, {"scopeSpans": null}, {"scopeSpans": [null, {"spans": null}, {"spans": 3}]}]}),
        json!({"resourceSpans": {"a": 1}}),
        json!({"resource_spans": [1]}),
        json!([]),
    ] {
        assert_eq!(decode(&request), Decoded::default());
    }
    let broken = json!([{"key": "a"}, {"value": {"stringValue": "x"}}, null, {"key": "b", "value": 3}]);
    assert_eq!(
        observations(&spans(json!([span(json!({}), json!({"attributes": broken}))]))).len(),
        1
    );
}

#[test]
fn frames() {
    let proto = protobuf(&json!({}), "s", &json!({"a": 1}));
    let one = Counts {
        resource_spans: 1,
        spans: 1,
    };
    assert_eq!(count(&proto, RawForm::OtlpProtobuf), Ok(one));
    assert_eq!(count(&[], RawForm::OtlpProtobuf), Ok(Counts::default()));
    for cut in 1..proto.len() {
        assert_eq!(
            count(&proto[..cut], RawForm::OtlpProtobuf),
            Err(OtlpError::Protobuf),
            "{cut}"
        );
    }
    let json = request(json!({}), json!({}), json!([span(json!({}), json!({})), null])).to_string();
    assert_eq!(
        count(json.as_bytes(), RawForm::OtlpJson),
        Ok(Counts {
            resource_spans: 1,
            spans: 2
        })
    );
    let counts = |resource_spans, spans| Ok(Counts { resource_spans, spans });
    for (number, body, expected) in [
        ("O-64", "{}", counts(0, 0)),
        (
            "O-50",
            r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{},{}]}]},{"scopeSpans":[{"spans":[{}]},{"spans":[]}]}]}"#,
            counts(2, 3),
        ),
        (
            "O-50",
            r#"{"resourceSpans":[null,{},{"scopeSpans":null},{"scopeSpans":[null,{},{"spans":null},{"spans":7}]}]}"#,
            counts(4, 0),
        ),
        ("O-50", r#"{"resourceSpans":{"scopeSpans":[]}}"#, counts(0, 0)),
        // An error is an error here, not a count of -1.
        ("O-50", "null", Err(OtlpError::Json)),
        ("O-50", "{", Err(OtlpError::Json)),
    ] {
        assert_eq!(count(body.as_bytes(), RawForm::OtlpJson), expected, "{number}: {body}");
    }
    let form = RawForm::Events;
    assert_eq!(count(&[], form), Err(OtlpError::Form { form }));
}

#[test]
fn what_is_counted_can_be_read() {
    // A scope whose only field has more bytes than there are: in a list of spans, in a resource, in a request.
    let scope = [0x0a, 0x02, 0x0a, 0x05];
    let spans = [&[0x12, 0x04][..], &scope].concat();
    let request = [&[0x0a, 0x06][..], &spans].concat();
    let form = RawForm::OtlpProtobuf;
    assert_eq!(count(&request, form).map(|counts| counts.spans), Ok(0));
    assert_eq!(
        object(&request, form, RECEIVED, &Sdk::default()),
        Ok(Decoded::default())
    );
}

#[test]
fn compression_is_bounded() {
    use std::io::Write as _;
    let plain = vec![b'x'; 1_000_000];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&plain).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(&plain[..], 3).unwrap();
    for (encoding, bytes) in [
        (Encoding::Gzip, gzip),
        (Encoding::Zstd, zstd),
        (Encoding::Identity, plain.clone()),
    ] {
        assert_eq!(decompress(encoding, &bytes, plain.len()).unwrap(), plain);
        let limit = plain.len() - 1;
        assert_eq!(decompress(encoding, &bytes, limit), Err(OtlpError::TooLarge { limit }));
        if encoding != Encoding::Identity {
            assert_eq!(
                decompress(encoding, &bytes[..bytes.len() - 4], 1 << 30),
                Err(OtlpError::Compressed { encoding })
            );
            assert_eq!(
                decompress(encoding, b"hello", 10),
                Err(OtlpError::Compressed { encoding })
            );
        }
    }
}
