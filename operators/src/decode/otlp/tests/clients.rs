//! The captured requests of real clients, against what the reference makes of them. Where the two differ, a defect is named.

use std::path::PathBuf;

use serde_json::{Value as Json, json};
use tracemill_model::ingest::{Encoding, Field, Rank};

use super::super::decompress;
use super::*;

fn file(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/sdk");
    std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The events of a captured request.
fn captured(name: &str, form: RawForm, sdk: (&str, &str)) -> Decoded {
    let sdk = Sdk {
        name: Some(text(sdk.0)),
        version: Some(text(sdk.1)),
    };
    let decoded = object(&file(name), form, RECEIVED, &sdk).unwrap();
    assert_eq!(decoded.rejected, []);
    decoded
}

fn time(value: &Json) -> Option<Millis> {
    Some(Millis::parse(value.as_str()?).unwrap())
}

fn column(value: &Json) -> Option<String> {
    match value {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn same_metadata(ours: &[(Text, MetadataValue)], theirs: &Json, decodes: bool) {
    let theirs = theirs.as_object().unwrap();
    // Metadata that is a plain text is lost in the reference (2.7); ours is the entry `metadata`.
    let added = usize::from(entry(ours, "metadata").is_some_and(|_| !theirs.contains_key("metadata")));
    assert_eq!(ours.len(), theirs.len() + added);
    for (name, value) in theirs {
        let ours = entry(ours, name).unwrap();
        match value {
            // Python 5 encodes texts as JSON; the reference keeps the quotes (spec 5.1).
            Json::String(text) if decodes && text.starts_with('"') => assert_eq!(json!(ours).to_string(), *text),
            Json::String(text) => assert_eq!(ours, text),
            other => assert_eq!(serde_json::from_str::<Json>(ours).unwrap(), *other),
        }
    }
}

fn same_observation(ours: &ObservationBody, theirs: &Json, decodes: bool) {
    assert_eq!(ours.trace_id.as_deref(), theirs["traceId"].as_str());
    assert_eq!(
        ours.parent_observation_id.as_deref(),
        theirs["parentObservationId"].as_str()
    );
    assert_eq!(ours.name.value().map(|name| &**name), theirs["name"].as_str());
    assert_eq!(ours.start_time, time(&theirs["startTime"]));
    assert_eq!(ours.end_time, time(&theirs["endTime"]));
    assert_eq!(ours.completion_start_time, time(&theirs["completionStartTime"]));
    assert_eq!(ours.environment.as_deref(), theirs["environment"].as_str());
    assert_eq!(ours.level.value().map(|level| level.name()), theirs["level"].as_str());
    assert_eq!(ours.status_message.as_deref(), theirs["statusMessage"].as_str());
    assert_eq!(ours.version.as_deref(), theirs["version"].as_str());
    assert_eq!(ours.input.as_deref(), column(&theirs["input"]).as_deref());
    assert_eq!(ours.output.as_deref(), column(&theirs["output"]).as_deref());
    assert_eq!(ours.model.value().map(|model| &**model), theirs["model"].as_str());
    assert_eq!(ours.prompt_name.as_deref(), theirs["promptName"].as_str());
    assert_eq!(ours.prompt_version.map(u64::from), theirs["promptVersion"].as_u64());
    let parameters = ours
        .model_parameters
        .as_deref()
        .map_or(json!({}), |text| serde_json::from_str(text).unwrap());
    assert_eq!(parameters, theirs.get("modelParameters").cloned().unwrap_or(json!({})));
    let usage: Json = ours
        .usage
        .iter()
        .map(|(name, value)| (name.to_string(), json!(value)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    assert_eq!(usage, theirs.get("usageDetails").cloned().unwrap_or(json!({})));
    let cost: Vec<_> = ours
        .cost
        .iter()
        .map(|(name, cost)| (name.to_string(), cost.to_string()))
        .collect();
    let theirs_cost = theirs
        .get("costDetails")
        .and_then(Json::as_object)
        .cloned()
        .unwrap_or_default();
    assert_eq!(
        cost,
        theirs_cost
            .iter()
            .map(|(name, cost)| (name.clone(), cost.to_string()))
            .collect::<Vec<_>>()
    );
    same_metadata(&ours.metadata, &theirs["metadata"], decodes);
}

fn same_trace(ours: &TraceBody, theirs: &Json, decodes: bool) {
    let fields = [
        (&ours.name, "name"),
        (&ours.user_id, "userId"),
        (&ours.session_id, "sessionId"),
        (&ours.version, "version"),
        (&ours.release, "release"),
    ];
    for (field, name) in fields {
        // The reference's null is absent here (D-15).
        assert_eq!(field.value().map(|text| &**text), theirs[name].as_str(), "{name}");
    }
    assert_eq!(&*ours.id, theirs["id"].as_str().unwrap());
    assert_eq!(ours.timestamp, time(&theirs["timestamp"]));
    assert_eq!(ours.environment.as_deref(), theirs["environment"].as_str());
    assert_eq!(ours.public, theirs["public"].as_bool());
    assert_eq!(json!(ours.tags), theirs.get("tags").cloned().unwrap_or(json!([])));
    assert_eq!(ours.input.as_deref(), column(&theirs["input"]).as_deref());
    assert_eq!(ours.output.as_deref(), column(&theirs["output"]).as_deref());
    same_metadata(&ours.metadata, theirs.get("metadata").unwrap_or(&json!({})), decodes);
}

fn same(name: &str, decoded: &Decoded, decodes: bool) {
    let expected: Json = serde_json::from_slice(&file(&format!("expected/{name}.expected.json"))).unwrap();
    let theirs = expected["observations_after_schema"].as_array().unwrap();
    let ours = observations(decoded);
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert_eq!(&*ours.id, theirs["body"]["id"].as_str().unwrap());
        same_observation(ours, &theirs["body"], decodes);
    }
    let is_trace = |event: &&Json| event["type"] == "trace-create";
    let mut theirs: Vec<_> = expected["ingestion_events"]
        .as_array()
        .unwrap()
        .iter()
        .filter(is_trace)
        .collect();
    // Our stubs come last; the reference's come before their spans.
    theirs.sort_by_key(|event| event["body"].get("metadata").is_none());
    let ours = traces(decoded);
    assert_eq!(ours.len(), theirs.len());
    for ((event, ours), theirs) in ours.iter().zip(theirs) {
        assert_eq!(event.rank == Rank::Stub, theirs["body"].get("metadata").is_none());
        assert_eq!(event.at, time(&theirs["timestamp"]).unwrap());
        same_trace(ours, &theirs["body"], decodes);
    }
}

#[test]
fn python_5() {
    let decoded = captured("01-python5-otlp.pb", RawForm::OtlpProtobuf, ("python", "5.0.4"));
    same("01-python5-otlp", &decoded, true);
    let json = captured("01-python5-otlp.decoded.json", RawForm::OtlpJson, ("python", "5.0.4"));
    assert_eq!(json, decoded);
    let (sent, plain) = (file("01-python5-otlp.pb.gz"), file("01-python5-otlp.pb"));
    assert!(
        decompress(Encoding::Gzip, &sent, 1 << 20).unwrap() == plain,
        "as it was sent"
    );
}

#[test]
fn javascript_5() {
    let decoded = captured("04-js5-otlp.json", RawForm::OtlpJson, ("javascript", "5.11.1"));
    same("04-js5-otlp", &decoded, false);
}

#[test]
fn python_3() {
    let decoded = captured("03-python3-otlp.pb", RawForm::OtlpProtobuf, ("python", "3.15.0"));
    assert_eq!(
        captured("03-python3-otlp.decoded.json", RawForm::OtlpJson, ("python", "3.15.0")),
        decoded
    );
    let whole: Vec<_> = traces(&decoded)
        .into_iter()
        .filter(|(event, _)| event.rank == Rank::Whole)
        .collect();
    assert!(
        whole
            .iter()
            .any(|(_, trace)| trace.user_id.value().is_some() && !trace.tags.is_empty())
    );
    // The reference loses metadata that is a plain text.
    assert!(
        observations(&decoded)
            .iter()
            .any(|body| entry(&body.metadata, "metadata").is_some())
    );
}

#[test]
fn vercel_ai_5() {
    let decoded = captured(
        "06-vercel-ai5-js5-otlp.json",
        RawForm::OtlpJson,
        ("javascript", "5.11.1"),
    );
    let bodies = observations(&decoded);
    let first = &bodies[0];
    assert_eq!(
        first.name.value().map(|name| &**name),
        Some("my-fn:ai.generateText.doGenerate")
    );
    assert_eq!(first.model.value().map(|model| &**model), Some("mock-gpt"));
    assert_eq!(
        usage(first),
        [
            ("input", 6),
            ("input_cached_tokens", 4),
            ("output", 15),
            ("output_reasoning_tokens", 5)
        ]
    );
    assert_eq!(
        (first.prompt_name.as_deref(), first.prompt_version),
        (Some("pn"), Some(2))
    );
    assert_eq!(entry(&first.metadata, "custom"), Some("c"));
    assert_eq!(entry(&first.metadata, "userId"), None);
    assert_eq!(bodies[1].name.value().map(|name| &**name), Some("weather"));
    assert_eq!(bodies[1].output.as_deref(), Some(r#"{"temp":70,"city":"SF"}"#));
    for kind in ["generation-create", "tool-create", "embedding-create", "span-create"] {
        assert!(kinds(&decoded).iter().any(|known| known == kind), "{kind}");
    }
    let knows_user = |(_, trace): &(Event, TraceBody)| trace.user_id == Field::Value(text("u1"));
    assert!(traces(&decoded).iter().any(knows_user));
}
