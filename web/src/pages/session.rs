//! Signed sessions: who somebody is, and until when, in a cookie that only this process can write. Pure.
//!
//! ```text
//! tracemill=<who and until>.<HMAC-SHA256 of it>
//! ```
//!
//! A session of a key names its public key, so it ends with the key. One of the password is signed with the password's hash as
//! well, so it ends when the password is another.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tracemill_model::{Millis, Secret};

/// The name of the cookie.
pub(super) const COOKIE: &str = "tracemill";
/// A cookie that is longer is not looked at.
const LONGEST: usize = 1_024;

/// Who somebody has proved to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who {
    /// Knows the password: sees every project.
    Operator,
    /// Has the secret of this public key: sees its project.
    Key(String),
}

/// What signs sessions and looks at passwords.
pub(super) struct Signer {
    key: [u8; 32],
    password: Option<[u8; 32]>,
    lasts_ms: i64,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(***)")
    }
}

impl Signer {
    /// `secret`: what all processes behind one address share; `None`: random, so that sessions end with the process.
    pub(super) fn new(secret: Option<&Secret>, password: Option<&Secret>, lasts_ms: i64) -> Self {
        let hash = |text: &str| -> [u8; 32] { Sha256::digest(text.as_bytes()).into() };
        let random = || format!("{}{}", uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
        Self {
            key: secret.map_or_else(|| hash(&random()), |secret| hash(secret.reveal())),
            password: password.map(|password| hash(password.reveal())),
            lasts_ms,
        }
    }

    /// Whether there is a password.
    pub(super) const fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// Whether that is the password: hashes are compared, in constant time.
    pub(super) fn is_password(&self, text: &str) -> bool {
        let hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        self.password.as_ref().is_some_and(|own| bool::from(own.ct_eq(&hash)))
    }

    /// The cookie's value of a session that begins now, and how many seconds it lasts.
    pub(super) fn seal(&self, who: &Who, now: Millis) -> (String, i64) {
        let until = now.plus(self.lasts_ms).0;
        let payload = match who {
            Who::Operator => format!("o:{until}:"),
            Who::Key(public) => format!("k:{until}:{public}"),
        };
        let signature = self.mac(who, payload.as_bytes()).finalize().into_bytes();
        let value = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(&payload),
            URL_SAFE_NO_PAD.encode(signature)
        );
        (value, self.lasts_ms / 1_000)
    }

    /// Whose session it is. `None`: it is not one of ours, or over.
    pub(super) fn open(&self, value: &str, now: Millis) -> Option<Who> {
        if value.len() > LONGEST {
            return None;
        }
        let (payload, signature) = value.split_once('.')?;
        let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let mut parts = payload.splitn(3, ':');
        let (kind, until, public) = (parts.next()?, parts.next()?, parts.next()?);
        let who = match kind {
            "o" if self.has_password() => Who::Operator,
            "k" => Who::Key(public.to_owned()),
            _ => return None,
        };
        // In constant time.
        self.mac(&who, payload.as_bytes()).verify_slice(&signature).ok()?;
        (now.0 < until.parse::<i64>().ok()?).then_some(who)
    }

    fn mac(&self, who: &Who, payload: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(payload);
        if let (Who::Operator, Some(password)) = (who, &self.password) {
            mac.update(password);
        }
        mac
    }
}

/// The session's value in a `Cookie` header.
pub(super) fn value(header: &str) -> Option<&str> {
    let mut all = header.split(';').filter_map(|pair| pair.trim().split_once('='));
    all.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(secret: &str, password: &str) -> Signer {
        Signer::new(Some(&Secret::new(secret)), Some(&Secret::new(password)), 60_000)
    }

    #[test]
    fn a_session_is_known_until_it_is_over() {
        let own = signer("s", "p");
        let (now, over) = (Millis(1_000), Millis(61_000));
        for who in [Who::Operator, Who::Key("pk-lf-1:x".to_owned())] {
            let (value, lasts) = own.seal(&who, now);
            assert_eq!(lasts, 60);
            assert_eq!(own.open(&value, now), Some(who.clone()));
            assert_eq!(own.open(&value, over), None, "over");
            assert_eq!(signer("t", "p").open(&value, now), None, "another secret");
            let is_known = signer("s", "q").open(&value, now).is_some();
            assert_eq!(is_known, who != Who::Operator, "another password");
        }
        let (value, _) = own.seal(&Who::Operator, now);
        assert_eq!(
            Signer::new(Some(&Secret::new("s")), None, 60_000).open(&value, now),
            None,
            "no password"
        );
    }

    #[test]
    fn nobody_else_can_write_one() {
        let own = signer("s", "p");
        let (value, _) = own.seal(&Who::Key("pk".to_owned()), Millis(0));
        let (payload, signature) = value.split_once('.').expect("two parts");
        let forged = URL_SAFE_NO_PAD.encode("o:99999999999999:");
        let later = URL_SAFE_NO_PAD.encode("k:99999999999999:pk");
        for text in [
            format!("{forged}.{signature}"),
            format!("{later}.{signature}"),
            format!("{payload}."),
            format!("{payload}.{}", &signature[1..]),
            payload.to_owned(),
            String::new(),
            ".".to_owned(),
            "x".repeat(5_000),
        ] {
            assert_eq!(own.open(&text, Millis(0)), None, "{text}");
        }
        let random = || Signer::new(None, None, 60_000);
        assert_eq!(
            random().open(&random().seal(&Who::Key("pk".to_owned()), Millis(0)).0, Millis(0)),
            None
        );
    }

    #[test]
    fn passwords_and_cookies() {
        let own = signer("s", "hunter2");
        assert!(own.is_password("hunter2"));
        assert!(!own.is_password("hunter"));
        assert!(!Signer::new(None, None, 1).is_password(""));
        assert_eq!(value("a=1; tracemill=x.y; b=2"), Some("x.y"));
        assert_eq!(value("nottracemill=x"), None);
        assert!(!format!("{own:?}").contains("hunter2"));
    }
}
