//! OTLP in its three forms, compressed or not, and taking spans out of it.
//!
//! `chooser[0]`: bits 0 and 1 the form, 2 and 3 the encoding. `chooser[1]`: bits 0 to 2 when it was received, the others
//! which spans go.

use tracemill_model::Millis;
use tracemill_model::ingest::{Body, Encoding, Event, RawForm, Sdk};
use tracemill_operators::decode::Decoded;
use tracemill_operators::decode::otlp::{Left, compress, count, decompress, object, without};

use crate::{check, picks, received, split};

const LARGEST: usize = 1 << 20;

/// Reads the input.
///
/// # Panics
/// What was read is not as it must be.
pub fn run(data: &[u8]) {
    let Some(([how, which], body)) = split::<2>(data) else {
        return;
    };
    let form = [
        RawForm::OtlpProtobuf,
        RawForm::OtlpJson,
        RawForm::OtlpStored,
        RawForm::OtlpProtobuf,
    ][usize::from(how & 3)];
    let at = received(which);
    let plain = match how >> 2 & 3 {
        0 => body.to_vec(),
        3 => {
            for encoding in [Encoding::Identity, Encoding::Gzip, Encoding::Zstd] {
                let packed = compress(encoding, body.to_vec());
                assert_eq!(decompress(encoding, &packed, LARGEST).as_deref(), Ok(body));
                assert!(body.is_empty() || decompress(encoding, &packed, body.len() - 1).is_err());
            }
            return;
        }
        other => {
            let encoding = if other == 1 { Encoding::Gzip } else { Encoding::Zstd };
            match decompress(encoding, body, LARGEST) {
                Ok(plain) => {
                    assert!(plain.len() <= LARGEST);
                    plain.into_owned()
                }
                Err(_) => return,
            }
        }
    };
    read(&plain, form, at, which);
}

fn read(plain: &[u8], form: RawForm, at: Millis, which: u8) {
    let sdk = Sdk {
        name: (which & 0x80 != 0).then(|| "python".into()),
        version: (which & 0x80 != 0).then(|| "4.0.0".into()),
    };
    let counts = count(plain, form);
    let Ok(decoded) = object(plain, form, at, &sdk) else {
        // What intake takes can be read.
        assert!(counts.is_err(), "{form:?} was counted and cannot be read");
        return;
    };
    assert_eq!(Ok(&decoded), object(plain, form, at, &sdk).as_ref(), "read twice");
    let spans = observations(&decoded).count() + decoded.rejected.len();
    if let Ok(counts) = counts {
        let is_so = match form {
            RawForm::OtlpProtobuf => counts.spans == spans,
            // Of members that are repeated only the last is read.
            _ => counts.spans >= spans,
        };
        assert!(is_so, "{} spans were counted, {spans} read", counts.spans);
    }
    check(&decoded, at);

    let is_doomed = |trace: &str, id: &str| picks(trace, which >> 3) && picks(id, which >> 5);
    let left = without(plain, form, at, &sdk, &is_doomed).expect("it was read before");
    let names = |event: &&Event| match &event.body {
        Body::Observation(body) => is_doomed(body.trace_id.as_deref().unwrap_or_default(), &body.id),
        _ => false,
    };
    match left {
        Left::All => assert_eq!(decoded.events.iter().find(names), None, "a doomed span stayed"),
        Left::None => assert_eq!(
            observations(&decoded)
                .filter(|event| !touches(&decoded, event, &is_doomed))
                .count(),
            0
        ),
        Left::Some(left) => {
            let after = object(&left, form, at, &sdk).expect("what is left can be read");
            assert_eq!(after.events.iter().find(names), None, "a doomed span stayed");
            let mut before = observations(&decoded);
            for event in observations(&after) {
                assert!(before.any(|old| old == event), "a span that was not there: {event:?}");
            }
            assert_eq!(
                without(&left, form, at, &sdk, &is_doomed),
                Ok(Left::All),
                "twice is not once"
            );
        }
    }
}

fn observations(decoded: &Decoded) -> impl Iterator<Item = &Event> {
    decoded
        .events
        .iter()
        .filter(|event| matches!(event.body, Body::Observation(_)))
}

/// Whether a span is doomed by one of its events.
fn touches(decoded: &Decoded, span: &Event, is_doomed: &dyn Fn(&str, &str) -> bool) -> bool {
    decoded
        .events
        .iter()
        .filter(|event| event.id == span.id)
        .any(|event| match &event.body {
            Body::Trace(body) => is_doomed(&body.id, &event.id),
            Body::Observation(body) => is_doomed(body.trace_id.as_deref().unwrap_or_default(), &body.id),
            Body::Score(_) => false,
        })
}
