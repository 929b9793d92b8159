//! OpenTelemetry: spans to events, pure.
//!
//! ```text
//!   protobuf ─┐
//!   OTLP/JSON ├─► Span (borrowed) ──► one event of its observation, and one of its trace where it says something of it
//!   stored ───┘                       one stub a trace of which no span of the request says more
//! ```
//!
//! The three encodings become one form, so that the mapping is written once. A request whose frame is broken is refused as
//! a whole; whatever is wrong with a span rejects that span alone. Values nest at most 64 deep, and nothing recurses
//! without a bound. The same request gives the same events whenever it is read.

mod builder;
mod cursor;
mod decompress;
mod keys;
mod kind;
mod metadata;
mod model;
mod observation;
mod payload;
mod protobuf;
mod redact;
mod span;
#[cfg(test)]
mod tests;
mod text;
mod trace;
mod unflatten;
mod usage;
mod value;
mod wire;

use std::borrow::Cow;

use serde_json::value::RawValue;
use tracemill_model::ingest::{Encoding, RawForm, Sdk};
use tracemill_model::{Blame, Fault, Millis};

pub use decompress::{compress, decompress};
pub use redact::{Left, without};

use super::Decoded;
use builder::Builder;

/// Why a request cannot be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OtlpError {
    /// Not an `ExportTraceServiceRequest`.
    #[error("the body is no OTLP trace request in protobuf")]
    Protobuf,
    /// Not JSON, or `null`.
    #[error("the body is no OTLP trace request in JSON")]
    Json,
    /// JSON that no span of ours could have.
    #[error("the body nests more than {limit} deep")]
    TooDeep {
        /// Arrays and objects in each other.
        limit: usize,
    },
    /// Not of the encoding that it should be.
    #[error("the body is not valid {encoding:?}")]
    Compressed {
        /// Which.
        encoding: Encoding,
    },
    /// More than is accepted.
    #[error("the body is larger than {limit} bytes without compression")]
    TooLarge {
        /// In bytes.
        limit: usize,
    },
    /// The object holds something else.
    #[error("{form:?} is no form of OTLP")]
    Form {
        /// What it holds.
        form: RawForm,
    },
}

impl Blame for OtlpError {
    fn fault(&self) -> Fault {
        match self {
            Self::Form { .. } => Fault::Bug,
            _ => Fault::User,
        }
    }

    fn is_transient(&self) -> bool {
        false
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Protobuf => "otlp_protobuf",
            Self::Json => "otlp_json",
            Self::TooDeep { .. } => "otlp_too_deep",
            Self::Compressed { .. } => "otlp_compressed",
            Self::TooLarge { .. } => "otlp_too_large",
            Self::Form { .. } => "otlp_form",
        }
    }
}

/// What is in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Resources. None: there is nothing to store.
    pub resource_spans: usize,
    /// Spans of all of them.
    pub spans: usize,
}

/// Whether a body (without compression) can be read, and how much is in it: for the intake, much cheaper than reading it.
///
/// # Errors
/// The body is not of that form, or it is JSON that nests more than 512 deep: an attribute of 64 levels takes half of that.
/// An attribute between the two is its span's letter.
pub fn count(bytes: &[u8], form: RawForm) -> Result<Counts, OtlpError> {
    match form {
        RawForm::OtlpProtobuf => protobuf::count(bytes).map_err(|_| OtlpError::Protobuf),
        RawForm::OtlpJson | RawForm::OtlpStored => {
            let lossy = String::from_utf8_lossy(bytes);
            text::count(valid(&lossy)?, form == RawForm::OtlpStored)
        }
        RawForm::Events => Err(OtlpError::Form { form }),
    }
}

/// The events of a request (without compression) that was `received` from that client.
///
/// Of a trace there are as many events as spans say something of it, or one [`tracemill_model::ingest::Rank::Stub`].
///
/// # Errors
/// The body is not of that form. Spans that cannot be read are among [`Decoded::rejected`].
pub fn object(bytes: &[u8], form: RawForm, received: Millis, sdk: &Sdk) -> Result<Decoded, OtlpError> {
    let mut builder = Builder::new(received, sdk);
    let lossy: Cow<'_, str>;
    match form {
        RawForm::OtlpProtobuf => protobuf::read(bytes, &mut builder).map_err(|_| OtlpError::Protobuf)?,
        RawForm::OtlpJson | RawForm::OtlpStored => {
            lossy = String::from_utf8_lossy(bytes);
            text::read(valid(&lossy)?, form == RawForm::OtlpStored, &mut builder);
        }
        RawForm::Events => return Err(OtlpError::Form { form }),
    }
    Ok(builder.finish())
}

/// The body, if it is JSON other than null. Nesting cannot exhaust the stack: this parser skips without recursion.
fn valid(text: &str) -> Result<&str, OtlpError> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|_| OtlpError::Json)?;
    match raw.get() {
        "null" => Err(OtlpError::Json),
        raw => Ok(raw),
    }
}
