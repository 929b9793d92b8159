//! What the queue carries: where a raw object is, and how to read it. The object is the truth; a job can be made again from it.

use serde::{Deserialize, Serialize};

use super::Text;
use crate::Millis;

/// One raw object to take in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Whose.
    pub project: Text,
    /// The object's key in the raw store.
    pub object: Text,
    /// What is in it.
    pub form: RawForm,
    /// How its bytes are compressed.
    #[serde(default)]
    pub encoding: Encoding,
    /// How many bytes it has, as they are stored; 0: not known.
    #[serde(default)]
    pub bytes: u64,
    /// What it holds.
    #[serde(default)]
    pub holds: Holds,
    /// When it was received.
    pub received: Millis,
    /// Which client sent it.
    #[serde(default)]
    pub sdk: Sdk,
    /// What the sender's key may write.
    #[serde(default)]
    pub access: Access,
}

/// How much a raw object holds, as its intake counted; zeros: not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Holds {
    /// Bytes after decompression.
    pub bytes: u64,
    /// Events or spans.
    pub events: u32,
}

/// What is in a raw object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RawForm {
    /// A JSON array (or one) of ingestion events: ours of one request, or the reference's of one entity.
    Events,
    /// An OTLP `ExportTraceServiceRequest` as protobuf.
    OtlpProtobuf,
    /// The same as OTLP/JSON: `{"resourceSpans": [...]}`.
    OtlpJson,
    /// The reference's form of it: a JSON array of `resourceSpans`, bytes as `{"type":"Buffer","data":[...]}`, 64-bit
    /// integers as `{"low","high","unsigned"}`.
    OtlpStored,
}

/// How a raw object's bytes are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Not at all.
    #[default]
    Identity,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
}

/// What a client says of itself in its headers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Sdk {
    /// `x-langfuse-sdk-name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Text>,
    /// `x-langfuse-sdk-version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Text>,
}

/// What a key may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Everything of its project.
    #[default]
    Project,
    /// Scores alone: a public key without its secret.
    Scores,
}

/// That a raw object says something of an entity: one row of `blob_storage_file_log`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// The entity.
    pub key: super::EntityKey,
    /// The object's key in the raw store.
    pub object: Text,
    /// When it was received.
    pub received: Millis,
}

/// What could not be taken in: it becomes a letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Whose.
    pub project: Text,
    /// The raw object that it is in.
    pub object: Text,
    /// When that was received.
    pub received: Millis,
    /// Its place among the object's events; `None`: the object itself.
    pub index: Option<u32>,
    /// The entity, where it is known: a row that ClickHouse refused.
    pub entity: Option<super::EntityKey>,
    /// The event's or span's id; may be empty.
    pub id: Text,
    /// Why.
    pub reason: String,
}
