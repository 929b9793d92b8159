//! Requests as the real decoders read them.

use std::collections::{BTreeSet, HashMap};

use tracemill_model::ingest::{Access, EntityKind, RawForm, Sdk};
use tracemill_model::{Millis, ProjectId};
use tracemill_operators::decode::events::{self, Limits, Rules};
use tracemill_operators::decode::otlp;

use super::*;
use crate::synth::ProjectSpec;

const MIDNIGHT: Millis = Millis(1_772_064_000_000);

fn agents(protocol: Protocol, updates: f64) -> SdkConfig {
    let project = |id| ProjectSpec {
        traces_per_day: 60,
        ..ProjectSpec::named(id)
    };
    SdkConfig {
        runs: Runs::Agents(SynthConfig {
            projects: vec![project("one"), project("two")],
            days: 2,
            ..SynthConfig::default()
        }),
        protocol,
        updates,
        behind: 8,
    }
}

fn even(event_bytes: u32, has_updates: bool) -> SdkConfig {
    SdkConfig {
        runs: Runs::Even(Even {
            seed: 1,
            projects: vec![ProjectId::new("one").expect("an id")],
            from: MIDNIGHT,
            traces: 200,
            generations: 5,
            event_bytes,
            has_updates,
        }),
        protocol: Protocol::Rest,
        updates: 0.0,
        behind: 8,
    }
}

/// Entities by project and table, and events, of all requests.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    entities: HashMap<(usize, EntityKind), BTreeSet<String>>,
    events: u64,
    rest: u64,
}

fn read(requests: &mut Requests) -> Seen {
    let mut seen = Seen::default();
    for request in requests.by_ref() {
        let decoded = match request.route {
            Route::Rest => {
                assert!(request.events <= REST_EVENTS);
                seen.rest += 1;
                let whole: serde_json::Value = serde_json::from_slice(&request.body).expect("JSON");
                let stored = whole["batch"].to_string();
                events::object(stored.as_bytes(), Access::Project, Rules::Public, &Limits::default()).expect("a batch")
            }
            Route::Otlp => {
                assert!(request.events <= OTLP_SPANS);
                let sdk = Sdk::default();
                otlp::object(&request.body, RawForm::OtlpProtobuf, MIDNIGHT, &sdk).expect("a request")
            }
        };
        assert_eq!(decoded.rejected.first(), None);
        seen.events += u64::from(request.events);
        for event in decoded.events {
            let key = event.key(&"p".into());
            let ids = seen.entities.entry((request.project, key.kind)).or_default();
            ids.insert(key.id.to_string());
        }
        let (table, id) = &request.last;
        let kind = EntityKind::ALL
            .into_iter()
            .find(|kind| kind.table() == *table)
            .expect("a kind");
        assert!(seen.entities[&(request.project, kind)].contains(id), "{id}");
    }
    seen
}

fn assert_expected(seen: &Seen, expected: &[Expectation]) {
    for (project, expectation) in expected.iter().enumerate() {
        let count = |kind| seen.entities.get(&(project, kind)).map_or(0, |ids| ids.len() as u64);
        let counts = EntityKind::ALL.map(count);
        let Expectation {
            traces,
            observations,
            scores,
            ..
        } = expectation;
        assert_eq!(counts, [*traces, *observations, *scores], "{project}");
    }
}

#[test]
fn every_protocol_is_read_without_a_loss_and_leads_to_what_is_expected() {
    for (protocol, updates) in [
        (Protocol::Rest, 0.0),
        (Protocol::Rest, 1.0),
        (Protocol::Rest, 0.5),
        (Protocol::Otlp, 0.5),
        (Protocol::Mix, 0.5),
    ] {
        let mut requests = Requests::new(agents(protocol, updates)).expect("it is right");
        let seen = read(&mut requests);
        let expected = requests.expectation();
        assert_expected(&seen, &expected);
        let rows: u64 = expected.iter().map(|e| e.traces + e.observations + e.scores).sum();
        assert!(rows > 2_000, "{rows}");
        if protocol == Protocol::Rest {
            assert_eq!(seen.events > rows, updates > 0.0);
        }
        let mut again = Requests::new(agents(protocol, updates)).expect("it is right");
        assert_eq!(read(&mut again), seen, "equal seeds");
    }
}

#[test]
fn even_events_have_their_size() {
    for (bytes, has_updates) in [
        (1_000, false),
        (2_000, false),
        (2_000, true),
        (50_000, false),
        (50_000, true),
    ] {
        let config = even(bytes, has_updates);
        let sent: usize = Requests::new(config.clone())
            .expect("it is right")
            .map(|request| request.body.len())
            .sum();
        let mut requests = Requests::new(config).expect("it is right");
        let seen = read(&mut requests);
        assert_expected(&seen, &requests.expectation());
        assert_eq!(seen.events, 200 * 6 * (1 + u64::from(has_updates)));
        let mean = sent as f64 / seen.events as f64;
        assert!(
            (mean / f64::from(bytes) - 1.0).abs() < 0.1,
            "{mean} for {bytes}, {has_updates}"
        );
    }
}

#[test]
fn faults_are_told() {
    assert!(Requests::new(agents(Protocol::Rest, 1.5)).is_err());
}
