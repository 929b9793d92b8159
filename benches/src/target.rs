//! Where the sides write: a folder, or a bucket of the S3 test server.

use std::path::PathBuf;

use tracemill_sinks::store::StoreConfig;

/// The key id and secret that the test server lets in.
pub const CREDENTIALS: (&str, &str) = ("let-me-in", "secret");

/// The bucket of the test server.
pub const BUCKET: &str = "bench";

/// A store of a round.
#[derive(Debug, Clone)]
pub enum Target {
    /// A folder.
    Local(PathBuf),
    /// The endpoint (`http://127.0.0.1:port`) and the prefix in the bucket.
    S3(String, String),
}

impl Target {
    /// The folder or prefix below this one.
    #[must_use]
    pub fn below(&self, name: &str) -> Self {
        match self {
            Self::Local(folder) => Self::Local(folder.join(name)),
            Self::S3(endpoint, prefix) => Self::S3(endpoint.clone(), format!("{prefix}{name}/")),
        }
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        match self {
            Self::Local(folder) => folder.to_string_lossy().into_owned(),
            Self::S3(_, prefix) => format!("s3://{BUCKET}/{prefix}"),
        }
    }

    /// The options that go with the URL.
    #[must_use]
    pub fn options(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Local(_) => Vec::new(),
            Self::S3(endpoint, _) => vec![
                ("endpoint", endpoint.clone()),
                ("region", "us-east-1".to_owned()),
                ("access_key_id", CREDENTIALS.0.to_owned()),
                ("secret_access_key", CREDENTIALS.1.to_owned()),
            ],
        }
    }

    /// As the store layer takes it.
    #[must_use]
    pub fn config(&self) -> StoreConfig {
        let options = self.options();
        options
            .iter()
            .fold(StoreConfig::new(self.url()), |config, (name, value)| {
                config.with(name, value.as_str())
            })
    }

    /// As two arguments of a command: the endpoint (`-` for a folder), and the folder or prefix.
    #[must_use]
    pub fn to_args(&self) -> [String; 2] {
        match self {
            Self::Local(folder) => ["-".to_owned(), folder.to_string_lossy().into_owned()],
            Self::S3(endpoint, prefix) => [endpoint.clone(), prefix.clone()],
        }
    }

    /// What [`Target::to_args`] gave.
    #[must_use]
    pub fn from_args(endpoint: &str, place: &str) -> Self {
        if endpoint == "-" {
            Self::Local(place.into())
        } else {
            Self::S3(endpoint.to_owned(), place.to_owned())
        }
    }
}
