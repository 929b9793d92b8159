//! What is asked of ClickHouse: SQL, its parameters, settings of its own and the comment that names it in the query log.
//!
//! Values never become part of the SQL text: they are bound as server-side parameters, `{name:Type}` in the SQL.

use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use tracemill_model::{ProjectId, Table};

/// The `query_id` of one run of a statement, as in `system.query_log`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct QueryId(String);

impl QueryId {
    /// A new one: unique across processes by 64 random bits, and counted within one.
    pub(crate) fn fresh() -> Self {
        static PROCESS: OnceLock<String> = OnceLock::new();
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let process = PROCESS.get_or_init(crate::secret::random_hex);
        Self(format!(
            "tracemill-{}-{}",
            &process[..16],
            NEXT.fetch_add(1, Ordering::Relaxed)
        ))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for QueryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The `log_comment` of a query, as JSON, so that the query log says what each query was for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Comment {
    /// The part of the system that asks: `blobstorage`, `migrate`, `synth`.
    pub feature: Cow<'static, str>,
    /// What about: `trace`, `observation`, `score`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub about: Option<Cow<'static, str>>,
    /// How: `analytic`, `keys`, `reconcile`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Cow<'static, str>>,
    /// Which operation: `writeToClickhouse`.
    #[serde(rename = "operation_name", skip_serializing_if = "Option::is_none")]
    pub operation: Option<Cow<'static, str>>,
    /// Whose rows.
    #[serde(rename = "projectId", skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
}

impl Comment {
    /// A comment that names the feature alone.
    #[must_use]
    pub fn new(feature: impl Into<Cow<'static, str>>) -> Self {
        Self {
            feature: feature.into(),
            ..Self::default()
        }
    }

    /// The comment of an export's query, spelled as the reference does.
    #[must_use]
    pub fn export(table: Table, project: &ProjectId) -> Self {
        Self {
            feature: "blobstorage".into(),
            about: Some(table.singular().into()),
            kind: Some("analytic".into()),
            operation: None,
            project_id: Some(project.to_string()),
        }
    }

    /// The comment of ingestion's queries, spelled as the reference does: `table` may be any, `operation` is
    /// `writeToClickhouse` for an insert.
    #[must_use]
    pub fn ingestion(table: &'static str, operation: &'static str, project: Option<&str>) -> Self {
        Self {
            feature: "ingestion".into(),
            about: Some(table.into()),
            kind: None,
            operation: Some(operation.into()),
            project_id: project.map(str::to_owned),
        }
    }

    /// The JSON text.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a struct of strings is always JSON")
    }
}

/// SQL with its parameters. May be run any number of times; each run has a query id of its own.
#[derive(Debug, Clone)]
pub struct Statement {
    pub(crate) sql: String,
    pub(crate) params: Vec<(String, String)>,
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) comment: Comment,
}

impl Statement {
    /// A statement without parameters yet. `FORMAT` is not part of it.
    #[must_use]
    pub fn new(sql: impl Into<String>, comment: Comment) -> Self {
        Self {
            sql: sql.into(),
            params: Vec::new(),
            settings: Vec::new(),
            comment,
        }
    }

    /// Binds `{name:Type}` of the SQL. A name that the SQL does not use is ignored by the server, one that is missing is
    /// its error 456.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "values are references or small")]
    pub fn param(mut self, name: &str, value: impl Param) -> Self {
        self.params.push((format!("param_{name}"), value.text()));
        self
    }

    /// A setting for this statement alone. It replaces the service's own of that name.
    #[must_use]
    pub fn setting(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.settings.push((name.to_owned(), value.to_string()));
        self
    }

    /// The SQL.
    #[must_use]
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// What names it in the query log.
    #[must_use]
    pub fn comment(&self) -> &Comment {
        &self.comment
    }
}

/// A value that can be bound.
pub trait Param {
    /// Its text as ClickHouse reads a parameter: escaped as in tab-separated text, or quoted literals within an array.
    fn text(&self) -> String;
}

/// The characters that ClickHouse reads as escapes in a parameter.
fn escape(text: &str, quoted: bool, out: &mut String) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' if quoted => out.push_str("\\'"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\0' => out.push_str("\\0"),
            c => out.push(c),
        }
    }
}

impl Param for &str {
    fn text(&self) -> String {
        let mut out = String::with_capacity(self.len());
        escape(self, false, &mut out);
        out
    }
}

impl Param for &String {
    fn text(&self) -> String {
        self.as_str().text()
    }
}

impl Param for &ProjectId {
    fn text(&self) -> String {
        self.as_str().text()
    }
}

/// For `Int64`: use it as `fromUnixTimestamp64Milli({from:Int64}, 'UTC')`, which no server time zone can bend.
impl Param for tracemill_model::Millis {
    fn text(&self) -> String {
        self.0.to_string()
    }
}

macro_rules! plain {
    ($($ty:ty),*) => {$(
        impl Param for $ty {
            fn text(&self) -> String {
                self.to_string()
            }
        }
    )*};
}
plain!(i32, i64, u8, u16, u32, u64, usize, bool);

/// For `Array(String)`.
impl<S: AsRef<str>> Param for &[S] {
    fn text(&self) -> String {
        let mut literal = String::from("[");
        for (index, item) in self.iter().enumerate() {
            if index > 0 {
                literal.push(',');
            }
            literal.push('\'');
            escape(item.as_ref(), true, &mut literal);
            literal.push('\'');
        }
        literal.push(']');
        literal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_spelled_as_the_reference_does() {
        let project = ProjectId::new("p-1").expect("an id");
        assert_eq!(
            Comment::export(Table::Observations, &project).to_json(),
            r#"{"feature":"blobstorage","type":"observation","kind":"analytic","projectId":"p-1"}"#
        );
        assert_eq!(Comment::new("migrate").to_json(), r#"{"feature":"migrate"}"#);
    }

    #[test]
    fn parameters_are_escaped_once() {
        assert_eq!("a\tb\\c'd\n".text(), "a\\tb\\\\c'd\\n");
        assert_eq!(["a'b", "c\\d"].as_slice().text(), "['a\\'b','c\\\\d']");
        assert_eq!(tracemill_model::Millis(-5).text(), "-5");
    }

    #[test]
    fn query_ids_differ() {
        assert_ne!(QueryId::fresh(), QueryId::fresh());
    }
}
