//! How raw objects are read: by their form, decompressed within bounds.

use std::sync::Arc;

use tracemill_model::ingest::RawForm;
use tracemill_operators::decode::flow::Decoder;
use tracemill_operators::decode::{events, otlp};

/// The decoder of a graph. `largest`: bytes of an object after decompression.
#[must_use]
pub fn decoder(limits: events::Limits, largest: usize) -> Decoder {
    Arc::new(move |job, bytes| {
        let plain = otlp::decompress(job.encoding, bytes, largest).map_err(|error| error.to_string())?;
        match job.form {
            RawForm::Events => {
                events::object(&plain, job.access, rules(&job.object), &limits).map_err(|error| error.to_string())
            }
            RawForm::OtlpProtobuf | RawForm::OtlpJson | RawForm::OtlpStored => {
                otlp::object(&plain, job.form, job.received, &job.sdk).map_err(|error| error.to_string())
            }
        }
    })
}

/// Ours hold what clients sent; the reference's hold events that it has normalised, its own among them.
fn rules(object: &str) -> events::Rules {
    if object.ends_with(".events.json") {
        events::Rules::Public
    } else {
        events::Rules::Internal
    }
}
