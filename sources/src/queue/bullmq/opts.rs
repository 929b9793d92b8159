//! What a job's options say about attempts and about keeping it when it is finished: pure, and total. What cannot be read
//! counts as not said.

use std::time::Duration;

use serde_json::{Value, json};

use crate::queue::retry::{Backoff, Policy};

/// How a finished job is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Keep {
    /// The newest so many; -1: all; 0: none.
    pub(super) count: i64,
    /// For so many seconds; -1: for ever.
    pub(super) age: i64,
    /// How many are removed for their age at once.
    pub(super) limit: i64,
}

impl Keep {
    const ALL: Self = Self {
        count: -1,
        age: -1,
        limit: 1_000,
    };

    fn read(value: Option<&Value>) -> Self {
        match value {
            Some(Value::Bool(true)) => Self { count: 0, ..Self::ALL },
            Some(Value::Number(count)) => Self {
                count: count.as_i64().map_or(-1, |count| count.max(-1)),
                ..Self::ALL
            },
            Some(Value::Object(keep)) => {
                let number = |name: &str| keep.get(name).and_then(Value::as_i64).filter(|number| *number >= 0);
                Self {
                    count: number("count").unwrap_or(-1),
                    age: number("age").unwrap_or(-1),
                    limit: number("limit").unwrap_or(1_000).clamp(1, 7_000),
                }
            }
            _ => Self::ALL,
        }
    }
}

/// The options that matter to a worker.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Opts {
    pub(super) policy: Policy,
    pub(super) on_complete: Keep,
    pub(super) on_fail: Keep,
    /// How many entries of the stack trace are kept.
    pub(super) stack_traces: Option<usize>,
}

impl Opts {
    /// Reads them.
    pub(super) fn read(text: &str) -> Self {
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        Self {
            policy: Policy {
                attempts: value["attempts"]
                    .as_u64()
                    .map_or(0, |attempts| u32::try_from(attempts).unwrap_or(u32::MAX)),
                backoff: backoff(&value["backoff"]),
                ..Policy::default()
            },
            on_complete: Keep::read(value.get("removeOnComplete")),
            on_fail: Keep::read(value.get("removeOnFail")),
            stack_traces: value["stackTraceLimit"]
                .as_u64()
                .and_then(|limit| usize::try_from(limit).ok()),
        }
    }
}

fn backoff(value: &Value) -> Backoff {
    let ms = |value: &Value| {
        value
            .as_f64()
            .filter(|ms| *ms > 0.0)
            .map(|ms| Duration::from_millis(ms as u64))
    };
    if let Some(delay) = ms(value) {
        return Backoff::Fixed { delay, jitter: 0.0 };
    }
    let Some(delay) = ms(&value["delay"]) else {
        return Backoff::None;
    };
    let jitter = value["jitter"].as_f64().unwrap_or(0.0);
    if value["type"] == "exponential" {
        Backoff::Exponential { delay, jitter }
    } else {
        // A type of the application's own: its function is not here, its delay is.
        Backoff::Fixed { delay, jitter }
    }
}

/// The options of our own jobs as JSON. Failed ones are kept, the newest `keep_failed` of them.
pub(super) fn own(policy: &Policy, keep_failed: u64) -> String {
    let backoff = match policy.backoff {
        Backoff::None => Value::Null,
        Backoff::Fixed { delay, .. } => json!({"type": "fixed", "delay": delay.as_millis() as u64}),
        Backoff::Exponential { delay, .. } => json!({"type": "exponential", "delay": delay.as_millis() as u64}),
    };
    let mut opts = json!({
        "attempts": policy.attempts,
        "removeOnComplete": true,
        "removeOnFail": keep_failed,
    });
    if !backoff.is_null() {
        opts["backoff"] = backoff;
    }
    opts.to_string()
}

/// The stack trace with one entry more, as JSON.
pub(super) fn stack_trace(old: &str, reason: &str, limit: Option<usize>) -> String {
    let mut entries: Vec<String> = serde_json::from_str(old).unwrap_or_default();
    entries.push(format!("Error: {reason}"));
    let from = entries.len().saturating_sub(limit.unwrap_or(usize::MAX));
    json!(entries[from..]).to_string()
}

/// Where a delayed job stands: the first free place of its millisecond's 4096, or the last.
#[cfg(test)]
fn score(due: i64, highest: Option<i64>) -> i64 {
    let from = due * 4_096;
    highest.map_or(from, |highest| (highest + 1).min(from + 4_095))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn as_node_writes_them() {
        let opts = Opts::read(
            r#"{"removeOnFail":100000,"removeOnComplete":true,"backoff":{"delay":5000,"type":"exponential"},"attempts":6,"traceparent":"x","stackTraceLimit":2}"#,
        );
        assert_eq!(opts.policy.attempts, 6);
        assert_eq!(opts.policy.next(1, 0.0), Some(Duration::from_secs(10)));
        assert_eq!((opts.on_complete.count, opts.on_fail.count), (0, 100_000));
        assert_eq!(opts.stack_traces, Some(2));
        let keep = Opts::read(r#"{"removeOnComplete":{"age":60,"count":5},"removeOnFail":false,"attempts":0}"#);
        assert_eq!(
            keep.on_complete,
            Keep {
                count: 5,
                age: 60,
                limit: 1_000
            }
        );
        assert_eq!(keep.on_fail, Keep::ALL);
        assert_eq!(keep.policy.next(0, 0.0), None);
        let fixed = Opts::read(r#"{"attempts":2,"backoff":{"type":"fixed","delay":7}}"#);
        assert_eq!(fixed.policy.next(0, 0.0), Some(Duration::from_millis(7)));
        assert_eq!(Opts::read("nonsense"), Opts::read("{}"));
    }

    #[test]
    fn our_own_come_back() {
        let policy = Policy {
            attempts: 9,
            backoff: Backoff::Exponential {
                delay: Duration::from_millis(1500),
                jitter: 0.0,
            },
            ..Policy::default()
        };
        let read = Opts::read(&own(&policy, 12));
        assert_eq!(
            (read.policy, read.on_complete.count, read.on_fail.count),
            (policy, 0, 12)
        );
    }

    #[test]
    fn stack_traces_grow_to_their_limit() {
        assert_eq!(stack_trace("", "a \"b\"", None), r#"["Error: a \"b\""]"#);
        assert_eq!(stack_trace(r#"["x","y"]"#, "z", Some(2)), r#"["y","Error: z"]"#);
        assert_eq!(stack_trace(r#"["x"]"#, "z", Some(0)), "[]");
    }

    proptest! {
        #[test]
        fn scores_keep_their_millisecond_and_are_exact(due in 0i64..2_199_023_255_551, many in 0usize..5_000) {
            let mut highest = None;
            for _ in 0..many {
                highest = Some(score(due, highest));
            }
            let score = score(due, highest);
            prop_assert_eq!(score.div_euclid(4_096), due);
            prop_assert_eq!(score as f64 as i64, score);
            prop_assert_eq!(score % 4_096, i64::try_from(many.min(4_095)).unwrap());
        }

        #[test]
        fn nothing_panics(text in any::<String>(), number in any::<f64>()) {
            let _ = (Opts::read(&text), Opts::read(&format!(r#"{{"backoff":{number},"attempts":{number}}}"#)), stack_trace(&text, &text, Some(1)));
        }
    }
}
