//! What a Redis that holds the queue says of itself, and what that means.

use tracemill_model::Blame;
use tracemill_sources::queue::bullmq::RedisReport;

use super::report::Line;
use crate::PipelineError;
use crate::config::{Backend, Checked};
use crate::error::exit_code;
use crate::preflight;

/// The lines of the queue; none where it is not on Redis.
pub(super) async fn examine(checked: &Checked) -> Vec<Line> {
    let Some((_, route)) = checked.ingestion() else {
        return Vec::new();
    };
    match &route.queue.backend {
        Backend::Local { .. } => Vec::new(),
        Backend::BullMq(bull) => judge(&bull.address, &preflight::redis(bull).await),
    }
}

fn judge(address: &str, asked: &Result<RedisReport, PipelineError>) -> Vec<Line> {
    let report = match asked {
        Ok(report) => report,
        Err(error) => {
            let remedy = error.hint().unwrap_or_else(|| "look at the log of redis".to_owned());
            let line = Line::fail("redis", "answers", format!("{address}: {error}"), remedy);
            return vec![line.exit(exit_code(error))];
        }
    };
    let version = Some(report.version.as_str()).filter(|version| !version.is_empty());
    let version = version.unwrap_or("unknown");
    let mut lines = vec![Line::ok("redis", "answers", format!("version {version} at {address}"))];
    let warnings = report.warnings();
    if warnings.is_empty() {
        lines.push(Line::ok(
            "redis",
            "keeps",
            "jobs are written to its log, none is evicted, none is left in a queue",
        ));
    }
    // Jobs are no layer between workloads.
    let warned = |(text, remedy): (String, &str)| Line::warn("redis", "keeps", text, remedy).exit(0);
    lines.extend(warnings.into_iter().map(warned));
    lines
}

#[cfg(test)]
mod tests {
    use tracemill_sources::queue::QueueError;

    use super::*;

    #[test]
    fn a_redis_that_keeps_jobs_is_fine_and_others_are_told() {
        let mut report = RedisReport {
            version: "7.2.4".to_owned(),
            eviction: Some("noeviction".to_owned()),
            has_log: Some(true),
            ..RedisReport::default()
        };
        let told = |asked: Result<RedisReport, PipelineError>| -> Vec<String> {
            judge("redis://r:6379", &asked)
                .iter()
                .map(ToString::to_string)
                .collect()
        };
        let fine = told(Ok(report.clone()));
        assert!(
            fine.iter().all(|line| line.starts_with("ok")) && fine[0].contains("7.2.4"),
            "{fine:?}"
        );

        report.has_log = Some(false);
        report.left = vec![("tracemill-ingestion-lane-40".to_owned(), 3)];
        let warned = told(Ok(report));
        assert_eq!(warned.len(), 3, "{warned:?}");
        assert!(warned[1].starts_with("warning") && warned[1].contains("appendonly"));
        assert!(warned[2].contains("tracemill-ingestion-lane-40 has 3"));

        let away = judge(
            "redis://r:6379",
            &Err(QueueError::Away {
                reason: "refused".to_owned(),
            }
            .into()),
        );
        assert!(away[0].to_string().starts_with("FAILED") && away[0].exit == 3 && !away[0].is_isolation());
    }
}
