//! What the doctor says: one line for each thing that was tried.

use std::fmt;

use serde::Serialize;

use crate::PipelineError;

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// As it should be.
    Ok,
    /// It works, and could hurt one day; or it cannot be seen.
    Warn,
    /// A layer does not hold, or something does not work.
    Fail,
}

/// The exit code where a layer does not hold.
pub(crate) const ISOLATION: u8 = 9;

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Line {
    pub(crate) level: Level,
    /// A service, or the server.
    pub(crate) about: String,
    /// What was tried.
    pub(crate) check: &'static str,
    pub(crate) text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remedy: Option<String>,
    /// The exit code, where it failed.
    #[serde(skip)]
    pub(crate) exit: u8,
}

impl Line {
    pub(crate) fn ok(about: impl fmt::Display, check: &'static str, text: impl Into<String>) -> Self {
        Self {
            level: Level::Ok,
            about: about.to_string(),
            check,
            text: text.into(),
            remedy: None,
            exit: 0,
        }
    }

    pub(crate) fn warn(
        about: impl fmt::Display,
        check: &'static str,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            level: Level::Warn,
            remedy: Some(remedy.into()),
            exit: ISOLATION,
            ..Self::ok(about, check, text)
        }
    }

    pub(crate) fn fail(
        about: impl fmt::Display,
        check: &'static str,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            level: Level::Fail,
            ..Self::warn(about, check, text, remedy)
        }
    }

    /// The same with that exit code.
    pub(crate) fn exit(mut self, code: u8) -> Self {
        self.exit = code;
        self
    }

    /// Whether it is about what keeps workloads apart.
    pub(crate) fn is_isolation(&self) -> bool {
        self.exit == ISOLATION
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Warn => "warning",
            Level::Fail => "FAILED",
        };
        write!(f, "{level:<8}{:<11}{}: {}", self.about, self.check, self.text)?;
        match &self.remedy {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

/// All that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    pub(crate) lines: Vec<Line>,
}

impl Report {
    pub(crate) fn count(&self, level: Level) -> usize {
        self.lines.iter().filter(|line| line.level == level).count()
    }

    /// Nothing failed.
    ///
    /// # Errors
    /// How much failed, with the exit code of the first.
    pub(crate) fn end(&self) -> Result<(), PipelineError> {
        match self.lines.iter().find(|line| line.level == Level::Fail) {
            None => Ok(()),
            Some(first) => Err(PipelineError::Checks {
                failed: self.count(Level::Fail),
                all: self.lines.len(),
                code: first.exit,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_remedy_and_the_first_failure_its_exit_code() {
        let lines = vec![
            Line::ok("export", "who", "me"),
            Line::warn("server", "disk", "nearly full", "free some"),
            Line::fail("server", "clock", "an hour off", "set it").exit(6),
            Line::fail("export", "memory", "none", "write it"),
        ];
        assert_eq!(lines[1].to_string(), "warning server     disk: nearly full; free some");
        let report = Report { lines };
        assert!(matches!(
            report.end(),
            Err(PipelineError::Checks {
                failed: 2,
                all: 4,
                code: 6
            })
        ));
        let fine = Report {
            lines: report.lines[..2].to_vec(),
        };
        assert!(fine.end().is_ok(), "a warning is no failure");
    }
}
