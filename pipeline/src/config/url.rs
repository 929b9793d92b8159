//! URLs of servers and stores: what they must have, and what they must not hold.

use std::path::PathBuf;

use super::checked::StoreKind;
use super::fault::nearest;

/// What is wrong with a URL, without the URL itself, which may hold a password; and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UrlError {
    pub(super) message: String,
    pub(super) remedy: String,
}

fn wrong<T>(message: impl Into<String>, remedy: impl Into<String>) -> Result<T, UrlError> {
    Err(UrlError {
        message: message.into(),
        remedy: remedy.into(),
    })
}

/// A server's URL taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ServerUrl {
    /// Without user, password and query.
    pub(super) url: String,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
}

const SERVER_EXAMPLE: &str = "write http://host:8123 or https://host:8443";

/// Reads `http(s)://user:password@host:port/path`.
pub(super) fn server(text: &str) -> Result<ServerUrl, UrlError> {
    let Some((scheme, _)) = text.split_once("://") else {
        return wrong("has no scheme", SERVER_EXAMPLE);
    };
    if !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") {
        let hint = match scheme {
            "clickhouse" | "tcp" | "native" => {
                "use the port of ClickHouse's HTTP interface: http://host:8123".to_owned()
            }
            _ => format!("{} {SERVER_EXAMPLE}", nearest(scheme, &["http", "https"])),
        };
        return wrong(format!("has the scheme {scheme:?}, not http or https"), hint);
    }
    let mut url = match ::url::Url::parse(text) {
        Ok(url) => url,
        Err(error) => return wrong(format!("is not a URL: {error}"), SERVER_EXAMPLE),
    };
    if url.query().is_some() || url.fragment().is_some() {
        return wrong(
            "has a query",
            "write user, password, database and limits as keys beside the URL",
        );
    }
    let decode = |text: &str| {
        percent_encoding::percent_decode_str(text)
            .decode_utf8_lossy()
            .into_owned()
    };
    let user = Some(url.username()).filter(|user| !user.is_empty()).map(decode);
    let password = url.password().map(decode);
    if url.set_username("").is_err() || url.set_password(None).is_err() {
        return wrong("has no host", SERVER_EXAMPLE);
    }
    Ok(ServerUrl {
        url: url.as_str().trim_end_matches('/').to_owned(),
        user,
        password,
    })
}

const STORE_SCHEMES: [&str; 4] = ["gs", "s3", "az", "file"];
const STORE_EXAMPLE: &str =
    "write gs://bucket/prefix/, s3://bucket/prefix/, az://container/prefix/, file:///folder or ./folder";

/// Reads a store's URL: which service it is of.
pub(super) fn store(text: &str) -> Result<StoreKind, UrlError> {
    if text.is_empty() {
        return wrong("is empty", STORE_EXAMPLE);
    }
    if text.starts_with("./") || text.starts_with("../") || text.starts_with('/') || matches!(text, "." | "..") {
        return Ok(StoreKind::Local(PathBuf::from(text)));
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return wrong("has no scheme, and is no path of a folder", STORE_EXAMPLE);
    };
    let kind = match scheme.to_ascii_lowercase().as_str() {
        "gs" => StoreKind::Gcs,
        "s3" => StoreKind::S3,
        "az" => StoreKind::Azure,
        "file" => return folder(text),
        other => {
            let hint = match other {
                "gcs" => "did you mean \"gs\"?".to_owned(),
                "http" | "https" => "name the bucket (s3://bucket/) and put the URL in options.endpoint".to_owned(),
                "abfs" | "abfss" | "azure" | "adl" => "write az://container/prefix/".to_owned(),
                _ => nearest(other, &STORE_SCHEMES),
            };
            return wrong(format!("has the unknown scheme {other:?}"), hint);
        }
    };
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.contains('@') {
        return wrong("holds credentials", "write them in the store's options");
    }
    if rest.contains(['?', '#']) {
        return wrong("has a query", "write credentials and settings in the store's options");
    }
    if authority.is_empty() {
        return wrong("names no bucket", STORE_EXAMPLE);
    }
    let is_bucket = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !authority.chars().all(is_bucket) {
        return wrong("has a bucket name with characters that no bucket has", STORE_EXAMPLE);
    }
    Ok(kind)
}

fn folder(text: &str) -> Result<StoreKind, UrlError> {
    match ::url::Url::parse(text).ok().and_then(|url| url.to_file_path().ok()) {
        Some(path) => Ok(StoreKind::Local(path)),
        None => wrong(
            "is not the URL of a folder",
            "write file:///absolute/folder or ./folder",
        ),
    }
}

const REDIS_EXAMPLE: &str = "write redis://user:password@host:6379/0, or rediss:// for TLS";

/// Checks `redis(s)://user:password@host:port/db`, and gives the number of the database.
pub(super) fn redis(text: &str) -> Result<u32, UrlError> {
    let Some((scheme, _)) = text.split_once("://") else {
        return wrong("has no scheme", REDIS_EXAMPLE);
    };
    if !matches!(scheme, "redis" | "rediss") {
        let hint = format!("{} {REDIS_EXAMPLE}", nearest(scheme, &["redis", "rediss"]));
        return wrong(format!("has the scheme {scheme:?}, not redis or rediss"), hint);
    }
    let url = match ::url::Url::parse(text) {
        Ok(url) => url,
        Err(error) => return wrong(format!("is not a URL: {error}"), REDIS_EXAMPLE),
    };
    if url.host_str().is_none_or(str::is_empty) {
        return wrong("has no host", REDIS_EXAMPLE);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return wrong("has a query", REDIS_EXAMPLE);
    }
    match url.path().trim_start_matches('/') {
        "" => Ok(0),
        path => match path.parse() {
            Ok(number) => Ok(number),
            Err(_) => wrong("has a path that is no number of a database", REDIS_EXAMPLE),
        },
    }
}

/// A URL for people: without what stands between `://` and `@`, and without a query.
pub(super) fn redacted(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 <= at => format!("{}***{}", &text[..scheme + 3], &text[at..]),
        (None, Some(at)) => format!("***{}", &text[at..]),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_server_apart() {
        let url = server("http://us%40er:p%2Fw@host:8123/").expect("a URL");
        assert_eq!(url.url, "http://host:8123");
        assert_eq!(
            (url.user.as_deref(), url.password.as_deref()),
            (Some("us@er"), Some("p/w"))
        );
        for text in [
            "host:8123",
            "tcp://host:9000",
            "http://",
            "http://h:99999",
            "http://h?password=x",
            "http:/h",
            "",
        ] {
            let error = server(text).expect_err(text);
            assert!(!error.remedy.is_empty());
        }
    }

    #[test]
    fn knows_stores_by_their_scheme() {
        for (text, kind) in [
            ("gs://lf-lake/langfuse/", StoreKind::Gcs),
            ("s3://b", StoreKind::S3),
            ("az://container/x", StoreKind::Azure),
            ("file:///data/lake", StoreKind::Local("/data/lake".into())),
            ("./lake", StoreKind::Local("./lake".into())),
        ] {
            assert_eq!(store(text), Ok(kind), "{text}");
        }
        for text in [
            "lake",
            "gs:/b",
            "gs://",
            "gs:///x",
            "ftp://b",
            "s3://k:s@b/",
            "az://c?sig=x",
            "file://x",
            "s3://a b",
            "",
        ] {
            assert!(store(text).is_err(), "{text}");
        }
    }

    #[test]
    fn knows_the_urls_of_redis() {
        for (text, database) in [
            ("redis://redis:6379", 0),
            ("rediss://u:p%40ss@redis.example.net:6380/3", 3),
            ("redis://:secret@[::1]/", 0),
        ] {
            assert_eq!(redis(text), Ok(database), "{text}");
        }
        for text in [
            "redis:6379",
            "http://redis",
            "redis://",
            "redis://h/x",
            "redis://h?a=b",
            "redis://h:99999",
            "",
        ] {
            let error = redis(text).expect_err(text);
            assert!(!error.remedy.is_empty(), "{text}");
        }
    }

    #[test]
    fn a_redacted_url_has_no_password() {
        assert_eq!(redacted("http://u:p@ss@h:1/x?password=y"), "http://***@h:1/x");
        assert_eq!(redacted("u:p@h"), "***@h");
        assert_eq!(redacted("gs://b/x"), "gs://b/x");
    }
}
