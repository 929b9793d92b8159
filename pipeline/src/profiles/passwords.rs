//! Passwords as ClickHouse keeps them, and new ones for variables that are not set yet.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write;

use sha2::{Digest, Sha256};
use tracemill_model::Secret;
use tracemill_warehouse::ServiceKind;
use tracemill_warehouse::secret::random_hex;

/// The SHA-256 of a text, 64 hexadecimal digits.
pub(crate) fn sha256_hex(text: &str) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// The variable that a service's password is in by custom.
pub(crate) const fn variable_of(kind: ServiceKind) -> &'static str {
    match kind {
        ServiceKind::ReadWrite => "CH_INGESTION_PASSWORD",
        ServiceKind::ReadOnly => "CH_INTERACTIVE_PASSWORD",
        ServiceKind::Export => "CH_EXPORT_PASSWORD",
    }
}

/// Values that were made up, by variable.
#[derive(Debug, Default)]
pub(crate) struct Invented(RefCell<BTreeMap<String, Secret>>);

impl Invented {
    /// The value of that variable, the same each time.
    pub(crate) fn value(&self, variable: &str) -> Secret {
        let mut values = self.0.borrow_mut();
        let value = values
            .entry(variable.to_owned())
            .or_insert_with(|| Secret::new(random_hex()));
        value.clone()
    }

    /// The variable whose value that is.
    pub(crate) fn variable(&self, value: &Secret) -> Option<String> {
        let values = self.0.borrow();
        let found = values.iter().find(|(_, other)| *other == value);
        found.map(|(name, _)| name.clone())
    }

    /// All that were asked for.
    pub(crate) fn variables(&self) -> Vec<String> {
        self.0.borrow().keys().cloned().collect()
    }
}

/// An environment in which every variable that `text` names as `${NAME}` is set: one that is not has an invented value.
pub(crate) fn inventing<'a>(
    text: &'a str,
    env: &'a dyn Fn(&str) -> Option<String>,
    invented: &'a Invented,
) -> impl Fn(&str) -> Option<String> + 'a {
    move |name| {
        let is_named = || text.contains(&format!("${{{name}}}"));
        env(name).or_else(|| is_named().then(|| invented.value(name).reveal().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_as_sha256sum_prints_it() {
        assert_eq!(
            sha256_hex("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn only_what_the_text_names_and_nobody_set_is_invented() {
        let invented = Invented::default();
        let known = |name: &str| (name == "SET").then(|| "known".to_owned());
        let env = inventing("${SET} ${UNSET} UNNAMED", &known, &invented);
        assert_eq!(env("SET").as_deref(), Some("known"));
        assert_eq!(env("UNNAMED"), None);
        let value = env("UNSET").expect("invented");
        assert_eq!((value.len(), env("UNSET")), (32, Some(value.clone())));
        assert_eq!(invented.variable(&Secret::new(value)).as_deref(), Some("UNSET"));
        assert_eq!(invented.variables(), ["UNSET"]);
    }
}
