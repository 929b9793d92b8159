//! What a Redis that holds the queue says of itself, and what that means. Pure.

use tracemill_model::Blame;
use tracemill_sources::queue::bullmq::RedisReport;

use super::report::Line;
use crate::PipelineError;
use crate::error::exit_code;

/// The lines of a Redis at that address.
pub(super) fn redis(address: &str, asked: &Result<RedisReport, PipelineError>) -> Vec<Line> {
    let report = match asked {
        Ok(report) => report,
        Err(error) => {
            let remedy = error.hint().unwrap_or_else(|| "look at the log of redis".to_owned());
            let line = Line::fail("redis", "answers", format!("{address}: {error}"), remedy);
            return vec![line.exit(exit_code(error))];
        }
    };
    let answers = format!("version {} at {address}", report.version());
    let mut lines = vec![Line::ok("redis", "answers", answers)];
    let warnings = report.warnings();
    if warnings.is_empty() {
        lines.push(Line::ok(
            "redis",
            "keeps",
            "nothing that it tells loses jobs or leaves them",
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
            redis("redis://r:6379", &asked)
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

        let away = redis(
            "redis://r:6379",
            &Err(QueueError::Away {
                reason: "refused".to_owned(),
            }
            .into()),
        );
        assert!(away[0].to_string().starts_with("FAILED") && away[0].exit == 3 && !away[0].is_isolation());
    }
}
