//! What the governors tell, as Prometheus reads it.

use super::exposition::{Exposition, Kind};
use crate::governor::inserts::InsertsStatus;
use crate::governor::{GovernorStatus, Load};

use Kind::{Counter, Gauge};

/// What holds the exports back, and how loaded ClickHouse is.
pub(super) fn exports(governor: &GovernorStatus, text: &mut Exposition) {
    text.family(
        "tracemill_governor_share",
        Gauge,
        "The part of its full speed that the export has.",
    )
    .sample(&[("reason", &governor.reason)], governor.percent / 100.0);
    let passed = governor.passed;
    let gauges = [
        (
            "tracemill_governor_bytes_per_second",
            "What the export may read; absent without a limit.",
            governor.bytes_per_second,
        ),
        (
            "tracemill_governor_leaves",
            "Leaves that the export may read at once; absent without a limit of the governor's.",
            governor.leaves,
        ),
        (
            "tracemill_governor_leaves_reading",
            "Leaves that are read.",
            Some(passed.leaves),
        ),
        (
            "tracemill_governor_leaves_most",
            "The most leaves that were read at once.",
            Some(passed.most_leaves),
        ),
        (
            "tracemill_governor_waiting",
            "Readers of the export that the governor holds back.",
            Some(passed.waiting),
        ),
    ];
    optional(&gauges, text);
    seconds(
        "tracemill_governor_target_seconds",
        "What 95 of 100 interactive queries are to take at most; absent while it is not known.",
        governor.target_ms,
        text,
    );
    seconds(
        "tracemill_governor_p95_seconds",
        "What they take; absent without any.",
        (governor.queries > 0).then_some(governor.p95_ms),
        text,
    );
    text.family(
        "tracemill_governor_bytes_total",
        Counter,
        "Bytes of answers that the governor let through.",
    )
    .sample(&[], passed.bytes);
    text.family(
        "tracemill_governor_waited_seconds_total",
        Counter,
        "How long readers of the export were held back, added up.",
    )
    .sample(&[], passed.waited_ms as f64 / 1e3);
    text.family(
        "tracemill_governor_readers_ratio",
        Gauge,
        "The part of the recent seconds in which readers' queries ran, where the export stands still for them.",
    )
    .sample(&[], governor.given.busy_percent / 100.0);
    text.family(
        "tracemill_governor_given_ratio",
        Gauge,
        "The part of the recent seconds in which the export stood still for readers.",
    )
    .sample(&[], governor.given.percent / 100.0);
    text.family(
        "tracemill_governor_given_seconds_total",
        Counter,
        "How long the export stood still for readers, added up.",
    )
    .sample(&[], governor.given.total_ms as f64 / 1e3);
    load(&governor.load, text);
}

fn load(load: &Load, text: &mut Exposition) {
    let some = |limit: u64| (limit > 0).then_some(limit);
    let gauges = [
        (
            "tracemill_clickhouse_memory_bytes",
            "Memory that ClickHouse uses.",
            load.memory,
        ),
        (
            "tracemill_clickhouse_memory_limit_bytes",
            "Its limit.",
            some(load.memory_limit),
        ),
        (
            "tracemill_clickhouse_queries",
            "Queries that ClickHouse runs, of every user.",
            load.queries,
        ),
        (
            "tracemill_clickhouse_queries_limit",
            "How many it runs at most.",
            some(load.queries_limit),
        ),
        (
            "tracemill_clickhouse_merges",
            "Merges and mutations that ClickHouse runs.",
            load.merges,
        ),
        (
            "tracemill_clickhouse_merges_limit",
            "How many it runs at most.",
            some(load.merges_limit),
        ),
        (
            "tracemill_clickhouse_parts",
            "Parts of the fullest partition of all tables.",
            load.parts,
        ),
    ];
    optional(&gauges, text);
    text.family(
        "tracemill_clickhouse_user_queries",
        Gauge,
        "Queries that ClickHouse runs by user; without a grant the export's own alone.",
    );
    for (user, queries) in &load.by_user {
        text.sample(&[("user", user)], queries);
    }
}

/// How long inserts wait, and how many parts their tables have.
pub(super) fn inserts(governor: &InsertsStatus, text: &mut Exposition) {
    text.family(
        "tracemill_ingestion_stretch",
        Gauge,
        "How many times its age a batch of rows waits.",
    )
    .sample(&[("reason", &governor.reason)], governor.stretch);
    let table = governor.table.as_deref().unwrap_or_default();
    let gauges = [
        (
            "tracemill_ingestion_parts",
            "Parts of the fullest partition of the table that is nearest to its bound.",
            governor.parts,
        ),
        (
            "tracemill_ingestion_parts_to_delay",
            "From how many on ClickHouse slows inserts into it down.",
            governor.delay_at,
        ),
        (
            "tracemill_ingestion_parts_to_refuse",
            "From how many on ClickHouse refuses inserts into it.",
            governor.refuse_at,
        ),
    ];
    for (name, help, value) in gauges {
        text.family(name, Gauge, help);
        if let Some(value) = value {
            text.sample(&[("table", table)], value);
        }
    }
    let merges = (
        "tracemill_ingestion_merges",
        "Merges of ingestion's tables that run.",
        governor.merges,
    );
    optional(&[merges], text);
}

/// Gauges that are absent where nothing is known.
fn optional(gauges: &[(&'static str, &'static str, Option<u64>)], text: &mut Exposition) {
    for (name, help, value) in gauges {
        text.family(name, Gauge, help);
        if let Some(value) = value {
            text.sample(&[], value);
        }
    }
}

fn seconds(name: &'static str, help: &'static str, ms: Option<f64>, text: &mut Exposition) {
    text.family(name, Gauge, help);
    if let Some(ms) = ms {
        text.sample(&[], ms / 1e3);
    }
}
