//! Spans out of stored requests, in each form.

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use tracemill_model::ingest::Encoding;

use super::super::{Left, compress, decompress, without};
use super::request::frame;
use super::*;

type Frame = Vec<Vec<Vec<(u8, u8, bool)>>>;

const FORMS: [RawForm; 3] = [RawForm::OtlpProtobuf, RawForm::OtlpJson, RawForm::OtlpStored];

fn json_frame(resources: &Frame) -> Json {
    let buffer = |byte: u8, n: usize| json!({"type": "Buffer", "data": vec![byte; n]});
    let span = |(trace, id, is_root): &(u8, u8, bool)| {
        let mut span = json!({
            "traceId": buffer(*trace, 16), "spanId": buffer(*id, 8), "name": "a \" } ] b",
            "startTimeUnixNano": {"low": 7, "high": 400_000_000, "unsigned": true}, "unknown": [{"a": 1.50}],
        });
        if !is_root {
            span["parentSpanId"] = json!("ffffffffffffffff");
        }
        span
    };
    let scope = |spans: &Vec<(u8, u8, bool)>| json!({"scope": {"name": "s"}, "spans": spans.iter().map(span).collect::<Vec<_>>()});
    let resource = |scopes: &Vec<Vec<(u8, u8, bool)>>| json!({"resource": {}, "scopeSpans": scopes.iter().map(scope).collect::<Vec<_>>()});
    resources.iter().map(resource).collect()
}

fn bytes_of(resources: &Frame, form: RawForm) -> Vec<u8> {
    match form {
        RawForm::OtlpProtobuf => frame(resources),
        RawForm::OtlpJson => format!(r#"{{"x": 1.0, "resourceSpans" : {} }}"#, json_frame(resources)).into_bytes(),
        _ => json_frame(resources).to_string().into_bytes(),
    }
}

fn events(bytes: &[u8], form: RawForm) -> Vec<Event> {
    let decoded = object(bytes, form, RECEIVED, &Sdk::default()).unwrap();
    assert_eq!(decoded.rejected, []);
    decoded.events
}

fn trace_of(event: &Event) -> Text {
    match &event.body {
        Body::Trace(body) => body.id.clone(),
        Body::Observation(body) => body.trace_id.clone().unwrap(),
        Body::Score(_) => unreachable!("spans make no scores"),
    }
}

fn redact(bytes: &[u8], form: RawForm, doomed: &[String]) -> Left {
    let is_doomed = |trace: &str, _: &str| doomed.iter().any(|doomed| doomed == trace);
    without(bytes, form, RECEIVED, &Sdk::default(), &is_doomed).unwrap()
}

proptest! {
    #[test]
    fn what_is_left_is_exactly_the_others(
        traces in prop::collection::vec(prop::collection::vec(prop::collection::vec((1u8..5, any::<bool>()), 0..4), 0..3), 0..3),
        doomed in prop::collection::btree_set(1u8..5, 0..4),
    ) {
        let mut id = 0;
        let resources: Frame = traces
            .into_iter()
            .map(|scopes| scopes.into_iter().map(|spans| spans.into_iter().map(|(trace, is_root)| {
                id += 1;
                (trace, id, is_root)
            }).collect()).collect())
            .collect();
        let doomed: Vec<String> = doomed.into_iter().map(|trace| format!("{trace:02x}").repeat(16)).collect();
        for form in FORMS {
            let bytes = bytes_of(&resources, form);
            let all = events(&bytes, form);
            let others: Vec<Event> = all
                .iter()
                .filter(|event| !doomed.iter().any(|doomed| **doomed == *trace_of(event)))
                .cloned()
                .collect();
            match redact(&bytes, form, &doomed) {
                Left::All => prop_assert_eq!(&others, &all),
                Left::None => prop_assert!(others.is_empty() && !all.is_empty()),
                Left::Some(left) => {
                    prop_assert!(others.len() < all.len() && !others.is_empty());
                    prop_assert_eq!(events(&left, form), others);
                    prop_assert_eq!(redact(&left, form, &doomed), Left::All);
                }
            }
        }
    }
}

#[test]
fn texts_of_others_stay_byte_for_byte() {
    let request = r#" {"resourceSpans": [ {"scopeSpans":[{"spans":[{"traceId":"aa","spanId":"01"}]}], "resource":{"x":1}}, {
        "scopeSpans" : [ {"spans": [ {"traceId": "bb", "spanId":"02", "n": 1.00 }, {"traceId":"aa","spanId":"03"} , {"spanId":"04","traceId":"b\u0062"} ], "y": [ ] } ] } ]
        , "z" : "\u00e4" } "#;
    let Left::Some(left) = redact(request.as_bytes(), RawForm::OtlpJson, &["aa".to_owned()]) else {
        panic!("some are left");
    };
    assert_eq!(
        String::from_utf8(left).unwrap(),
        r#"{"resourceSpans": [{
        "scopeSpans" : [{"spans": [{"traceId": "bb", "spanId":"02", "n": 1.00 },{"spanId":"04","traceId":"b\u0062"}], "y": [ ] }] }]
        , "z" : "\u00e4" }"#
    );
}

#[test]
fn members_that_a_later_one_hides_do_not_stay() {
    let request = r#"{"resourceSpans":[{"secret":1}],"resourceSpans":[{"scopeSpans":[{"spans":[
        {"traceId":"aa","spanId":"01"},{"traceId":"bb","spanId":"02"}]}]}]}"#;
    let Left::Some(left) = redact(request.as_bytes(), RawForm::OtlpJson, &["aa".to_owned()]) else {
        panic!("some are left");
    };
    assert_eq!(
        String::from_utf8(left).unwrap(),
        r#"{"resourceSpans":[],"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"bb","spanId":"02"}]}]}]}"#
    );
}

#[test]
fn unknown_fields_stay() {
    // Field 9 of a scope as a varint, and a group of field 10.
    let mut inner = frame(&[vec![vec![(1, 1, true), (2, 2, true)]]]);
    inner.extend_from_slice(&[0x48, 0x96, 0x01, 0x53, 0x08, 0x01, 0x54]);
    let Left::Some(left) = redact(&inner, RawForm::OtlpProtobuf, &["01".repeat(16)]) else {
        panic!("some are left");
    };
    assert!(left.ends_with(&[0x48, 0x96, 0x01, 0x53, 0x08, 0x01, 0x54]));
    assert_eq!(left[..left.len() - 7], frame(&[vec![vec![(2, 2, true)]]]));
}

#[test]
fn refused_spans_go_by_the_ids_that_they_came_with() {
    let spans = json!([
        {"traceId": "aa", "spanId": "01", "startTimeUnixNano": "soon"},
        {"traceId": "aa", "spanId": ""},
        {"traceId": "bb", "spanId": "", "startTimeUnixNano": "1"},
        {"traceId": "bb", "spanId": "03", "startTimeUnixNano": "1"},
    ]);
    let request = request(json!({}), json!({}), spans).to_string();
    let is_doomed = |trace: &str, id: &str| trace == "aa" || id == "01";
    let left = without(
        request.as_bytes(),
        RawForm::OtlpJson,
        RECEIVED,
        &Sdk::default(),
        &is_doomed,
    )
    .unwrap();
    let Left::Some(left) = left else {
        panic!("some are left")
    };
    let left: Json = serde_json::from_slice(&left).unwrap();
    assert_eq!(
        left["resourceSpans"][0]["scopeSpans"][0]["spans"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn compressed_and_back() {
    for encoding in [Encoding::Identity, Encoding::Gzip, Encoding::Zstd] {
        let bytes = b"as it was".repeat(100);
        let packed = compress(encoding, bytes.clone());
        assert_eq!(decompress(encoding, &packed, 1000).unwrap(), bytes);
    }
}
