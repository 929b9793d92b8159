//! What a ClickHouse URL says: where the server is, and who logs in to which database.
//!
//! The parts are taken apart once, so that user and password leave the URL and travel as headers.

use std::net::IpAddr;

use url::Url;

use crate::error::WarehouseError;
use crate::secret::{Secret, scrub};

/// A URL taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Scheme, host, port and path; no user, no password, no query.
    pub url: String,
    /// `user` of `user:password@`.
    pub user: Option<String>,
    /// `password` of `user:password@`.
    pub password: Option<Secret>,
    /// `database` of the query.
    pub database: Option<String>,
    /// Whether TLS is used.
    pub https: bool,
    /// Whether the server is on this machine by its name or address, so that compression only costs.
    pub loopback: bool,
}

impl Address {
    /// Takes a URL apart: `http://user:password@host:8123/?database=default`.
    ///
    /// # Errors
    /// Not a URL, not `http` or `https`, no host, or a query that holds anything but `database`, `user` and `password`:
    /// settings belong to the service's limits, where they are checked.
    pub fn parse(text: &str) -> Result<Self, WarehouseError> {
        let wrong = |why: String| WarehouseError::Config {
            what: format!("`{}` is not a ClickHouse URL: {why}", scrub(text.trim(), None)),
        };
        let mut url = Url::parse(text.trim()).map_err(|error| wrong(error.to_string()))?;
        let https = match url.scheme() {
            "http" => false,
            "https" => true,
            "clickhouse" | "tcp" => {
                return Err(wrong(
                    "the native protocol is not spoken, write `http://` and the HTTP port (8123)".to_owned(),
                ));
            }
            other => return Err(wrong(format!("its scheme is `{other}`, write `http` or `https`"))),
        };
        let loopback = match url.host() {
            Some(url::Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
            Some(url::Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
            Some(url::Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
            None => return Err(wrong("it has no host".to_owned())),
        };
        let mut user = (!url.username().is_empty()).then(|| decode(url.username()));
        let mut password = url.password().map(|password| Secret::new(decode(password)));
        let mut database = None;
        for (name, value) in url.query_pairs() {
            match name.as_ref() {
                "database" => database = Some(value.into_owned()),
                "user" => user = Some(value.into_owned()),
                "password" => password = Some(Secret::new(value)),
                other => {
                    return Err(wrong(format!(
                        "its query has `{other}`; only `database`, `user` and `password` are read from a URL"
                    )));
                }
            }
        }
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_query(None);
        url.set_fragment(None);
        Ok(Self {
            url: url.into(),
            user,
            password,
            database,
            https,
            loopback,
        })
    }
}

/// A URL's user and password are kept percent-encoded by the parser.
fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_url_apart() {
        let address = Address::parse("http://me:p%40ss%2F@clickhouse:8123/?database=lf").expect("a URL");
        assert_eq!(address.url, "http://clickhouse:8123/");
        assert_eq!(address.user.as_deref(), Some("me"));
        assert_eq!(address.password, Some(Secret::new("p@ss/")));
        assert_eq!(address.database.as_deref(), Some("lf"));
        assert!(!address.https && !address.loopback);
        assert!(!format!("{address:?}").contains("p@ss"));
    }

    #[test]
    fn knows_this_machine() {
        for (url, loopback) in [
            ("http://127.0.0.1:1", true),
            ("http://[::1]:1", true),
            ("https://LOCALHOST", true),
            ("http://10.0.0.1", false),
            ("http://localhost.example.org", false),
        ] {
            assert_eq!(Address::parse(url).map(|a| a.loopback).ok(), Some(loopback), "{url}");
        }
    }

    #[test]
    fn refuses_what_it_would_not_honour() {
        for (url, says) in [
            ("clickhouse:8123", "write `http:"),
            ("tcp://host:9000", "8123"),
            ("ftp://host", "`ftp`"),
            ("http://u:secret@host/?max_threads=4", "max_threads"),
            ("nonsense", "not a ClickHouse URL"),
            ("http://u:secret@ho st/", "not a ClickHouse URL"),
        ] {
            let error = Address::parse(url).expect_err(url).to_string();
            assert!(error.contains(says), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
