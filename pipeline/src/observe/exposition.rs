//! The text format of Prometheus: families of samples with labels.

use std::fmt::{Display, Write};

/// What a family counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows while the process lives.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Quantiles, with `_count`.
    Summary,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Summary => "summary",
        }
    }
}

/// A text that grows by families. A family without samples is left out.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
    head: String,
    name: String,
}

impl Exposition {
    /// Begins a family; the samples that follow are its own.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) -> &mut Self {
        name.clone_into(&mut self.name);
        self.head = format!("# HELP {name} {help}\n# TYPE {name} {}\n", kind.name());
        self
    }

    /// A sample of the family.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) -> &mut Self {
        self.suffixed("", labels, value)
    }

    /// A sample of the family whose name ends in `suffix`: `_count`.
    pub fn suffixed(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) -> &mut Self {
        self.text.push_str(&std::mem::take(&mut self.head));
        self.text.push_str(&self.name);
        self.text.push_str(suffix);
        if !labels.is_empty() {
            self.text.push('{');
            for (index, (name, value)) in labels.iter().enumerate() {
                if index > 0 {
                    self.text.push(',');
                }
                self.text.push_str(name);
                self.text.push_str("=\"");
                escape(value, &mut self.text);
                self.text.push('"');
            }
            self.text.push('}');
        }
        // Writing to a string does not fail.
        let _ = writeln!(self.text, " {value}");
        self
    }

    /// All of it.
    #[must_use]
    pub fn finish(self) -> String {
        self.text
    }
}

/// A label's value: backslash, quote and line feed are escaped.
fn escape(value: &str, text: &mut String) {
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_with_samples_are_written_and_labels_cannot_leave_their_quotes() {
        let mut text = Exposition::default();
        text.family("a_total", Kind::Counter, "Nothing.");
        text.family("b", Kind::Gauge, "Some.")
            .sample(&[], 1)
            .sample(&[("project", "x\"} 1\n\\")], 2.5);
        text.family("c", Kind::Summary, "Times.")
            .sample(&[("quantile", "0.5")], 3)
            .suffixed("_count", &[], 4);
        assert_eq!(
            text.finish(),
            "# HELP b Some.\n# TYPE b gauge\nb 1\nb{project=\"x\\\"} 1\\n\\\\\"} 2.5\n\
             # HELP c Times.\n# TYPE c summary\nc{quantile=\"0.5\"} 3\nc_count 4\n"
        );
    }
}
