//! The variables with which operators of Langfuse name its store of raw events.
//!
//! Pure: the environment is handed in.

use super::StoreConfig;

/// The store that `LANGFUSE_S3_EVENT_UPLOAD_*` describe, with `LANGFUSE_USE_AZURE_BLOB` and
/// `LANGFUSE_USE_GOOGLE_CLOUD_STORAGE`; nothing if no bucket is named. The prefix is not part of the address: Langfuse
/// puts it verbatim before its keys, so it need not end a folder.
pub fn event_store(variable: impl Fn(&str) -> Option<String>) -> Option<StoreConfig> {
    let get = |name: &str| variable(name).filter(|value| !value.is_empty());
    let of = |name: &str| get(&format!("LANGFUSE_S3_EVENT_UPLOAD_{name}"));
    let is_on = |name: &str| get(name).is_some_and(|value| value == "true");
    let bucket = of("BUCKET")?;
    let mut config;
    let names: &[(&str, &str)] = if is_on("LANGFUSE_USE_AZURE_BLOB") {
        config = StoreConfig::new(format!("az://{bucket}"));
        &[
            ("ACCESS_KEY_ID", "account_name"),
            ("SECRET_ACCESS_KEY", "account_key"),
            ("ENDPOINT", "endpoint"),
        ]
    } else if is_on("LANGFUSE_USE_GOOGLE_CLOUD_STORAGE") {
        config = StoreConfig::new(format!("gs://{bucket}"));
        if let Some(credentials) = get("LANGFUSE_GOOGLE_CLOUD_STORAGE_CREDENTIALS") {
            // The key itself, or the path of its file.
            let is_key = credentials.trim_start().starts_with('{');
            config = config.with(
                if is_key {
                    "service_account_key"
                } else {
                    "service_account"
                },
                credentials,
            );
        }
        &[]
    } else {
        config = StoreConfig::new(format!("s3://{bucket}"));
        &[
            ("REGION", "region"),
            ("ENDPOINT", "endpoint"),
            ("ACCESS_KEY_ID", "access_key_id"),
            ("SECRET_ACCESS_KEY", "secret_access_key"),
            ("FORCE_PATH_STYLE", "path_style"),
            ("SSE", "server_side_encryption"),
            ("SSE_KMS_KEY_ID", "sse_kms_key_id"),
        ]
    };
    for (from, to) in names {
        // MinIO users write `auto` where no region is meant.
        if let Some(value) = of(from).filter(|value| (*from, value.as_str()) != ("REGION", "auto")) {
            config = config.with(to, value);
        }
    }
    Some(config)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn from(pairs: &[(&'static str, &'static str)]) -> Option<StoreConfig> {
        let map: BTreeMap<_, _> = pairs.iter().copied().collect();
        event_store(|name| map.get(name).map(|value| (*value).to_owned()))
    }

    #[test]
    fn each_kind_of_store_is_known() {
        assert_eq!(from(&[]), None);
        let bucket = ("LANGFUSE_S3_EVENT_UPLOAD_BUCKET", "events");
        let keys = [
            ("LANGFUSE_S3_EVENT_UPLOAD_ACCESS_KEY_ID", "k"),
            ("LANGFUSE_S3_EVENT_UPLOAD_SECRET_ACCESS_KEY", "c2Vj"),
        ];
        let s3 = from(&[
            bucket,
            keys[0],
            keys[1],
            ("LANGFUSE_S3_EVENT_UPLOAD_FORCE_PATH_STYLE", "true"),
        ])
        .expect("s3");
        let azure = from(&[bucket, keys[0], keys[1], ("LANGFUSE_USE_AZURE_BLOB", "true")]).expect("azure");
        let gcs = ("LANGFUSE_USE_GOOGLE_CLOUD_STORAGE", "true");
        let gcs = from(&[bucket, gcs, ("LANGFUSE_GOOGLE_CLOUD_STORAGE_CREDENTIALS", " {\"a\":1}")]).expect("gcs");
        for (config, url, option) in [
            (s3, "s3://events", "path_style"),
            (azure, "az://events", "account_key"),
            (gcs, "gs://events", "service_account_key"),
        ] {
            assert_eq!(config.url, url);
            assert!(config.options.contains_key(option), "{config:?}");
            config.check().expect(url);
        }
    }
}
