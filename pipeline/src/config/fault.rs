//! Faults of a configuration: where, what, and what to do about it; and the collector that every check reports to.

use std::cell::RefCell;
use std::fmt;

/// One fault. `Display` prints it as compilers do: `graph.toml:12: unknown key "laiout" in graph.export.sink.lake; did
/// you mean "layout"?`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file's name, or `environment`.
    pub file: String,
    /// The line, counted from 1; 0 where the fault is of no line: of the environment, or of the file as a whole.
    pub line: usize,
    /// The column in characters, counted from 1; 0 where `line` is.
    pub column: usize,
    /// The key, `graph.export.sink.lake.layout`, or the environment variable.
    pub path: String,
    /// The value as the file has it, unexpanded; `None` where there is none, or where it may be a secret.
    pub value: Option<String>,
    /// What is wrong, without a trailing dot.
    pub message: String,
    /// What to do. Never empty.
    pub remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            message,
            remedy,
            ..
        } = self;
        match line {
            0 => write!(f, "{file}: {message}; {remedy}"),
            _ => write!(f, "{file}:{line}: {message}; {remedy}"),
        }
    }
}

impl std::error::Error for Fault {}

/// All faults, one a line, and their number at the end.
#[must_use]
pub fn render(faults: &[Fault]) -> String {
    let mut text: String = faults.iter().map(|fault| format!("{fault}\n")).collect();
    match faults.len() {
        0 => text.push_str("no fault\n"),
        1 => text.push_str("1 fault\n"),
        many => text.push_str(&format!("{many} faults\n")),
    }
    text
}

/// What every check needs: the text, the environment, and where faults go.
pub(super) struct Context<'a> {
    file: &'a str,
    text: &'a str,
    env: &'a dyn Fn(&str) -> Option<String>,
    faults: RefCell<Vec<Fault>>,
}

/// A fault that is being written: the place is known, the rest follows.
pub(super) struct Report<'a> {
    /// The byte offset in the text.
    pub(super) at: usize,
    /// The key.
    pub(super) path: &'a str,
    /// The value as the file has it.
    pub(super) value: Option<&'a str>,
    /// What is wrong.
    pub(super) message: String,
    /// What to do.
    pub(super) remedy: String,
}

impl<'a> Context<'a> {
    pub(super) fn new(file: &'a str, text: &'a str, env: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            file,
            text,
            env,
            faults: RefCell::default(),
        }
    }

    /// A variable that operators know by its own name: there an empty text is the same as none.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        (self.env)(name)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    }

    /// A variable that the file names in `${}`, as it is.
    pub(super) fn expansion(&self, name: &str) -> Option<String> {
        (self.env)(name)
    }

    pub(super) fn report(&self, report: Report<'_>) {
        let Report {
            at,
            path,
            value,
            message,
            remedy,
        } = report;
        let (line, column) = position(self.text, at);
        self.faults.borrow_mut().push(Fault {
            file: self.file.to_owned(),
            line,
            column,
            path: path.to_owned(),
            value: value.map(str::to_owned),
            message,
            remedy,
        });
    }

    /// A fault of the file as a whole.
    pub(super) fn report_file(&self, message: &str, remedy: &str) {
        self.push(self.file, "", message, remedy);
    }

    /// A fault of an environment variable, whose value is not shown.
    pub(super) fn report_variable(&self, name: &str, message: &str, remedy: &str) {
        self.push("environment", name, message, remedy);
    }

    fn push(&self, file: &str, path: &str, message: &str, remedy: &str) {
        self.faults.borrow_mut().push(Fault {
            file: file.to_owned(),
            line: 0,
            column: 0,
            path: path.to_owned(),
            value: None,
            message: message.to_owned(),
            remedy: remedy.to_owned(),
        });
    }

    /// The faults in the order of the file; those of no line come last.
    pub(super) fn into_faults(self) -> Vec<Fault> {
        let mut faults = self.faults.into_inner();
        faults.sort_by_key(|fault| (fault.line == 0, fault.line, fault.column));
        let mut seen = Vec::new();
        faults.retain(|fault| {
            let is_new = !seen.contains(fault);
            seen.extend(is_new.then(|| fault.clone()));
            is_new
        });
        faults
    }
}

/// Line and column of a byte offset, both counted from 1. An offset beyond the end is the end.
fn position(text: &str, at: usize) -> (usize, usize) {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = &text[..at];
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    (line, column)
}

/// `did you mean "layout"?`, or the list of what exists.
pub(super) fn nearest(wrong: &str, names: &[&str]) -> String {
    let wrong = wrong.to_lowercase();
    let best = names
        .iter()
        .map(|name| (strsim::jaro_winkler(&wrong, &name.to_lowercase()), name))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((score, name)) if score >= 0.75 => format!("did you mean {name:?}?"),
        _ if names.is_empty() => "there is none".to_owned(),
        _ => format!("there is {}", listed(names)),
    }
}

/// `"a", "b" and "c"`.
pub(super) fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    match quoted.as_slice() {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_and_survive_any_offset() {
        let text = "a = 1\nü = \"ß\"\n";
        assert_eq!(position(text, 0), (1, 1));
        assert_eq!(position(text, 6), (2, 1));
        assert_eq!(position(text, 9), (2, 3));
        assert_eq!(position(text, 7), (2, 1), "inside a character");
        assert_eq!(position(text, 999), (3, 1));
    }

    #[test]
    fn suggests_what_is_near_and_lists_what_is_not() {
        assert_eq!(nearest("laiout", &["layout", "input"]), "did you mean \"layout\"?");
        assert_eq!(
            nearest("xyz", &["layout", "input"]),
            "there is \"layout\" and \"input\""
        );
    }
}
