//! A snapshot as Prometheus reads it. Names begin with `tracemill_`; times are in seconds, sizes in bytes.

use tracemill_web::metrics::Snapshot as WebSnapshot;

use super::exposition::{Exposition, Kind};
use super::registry::Snapshot;
use crate::ingestion::status::{IngestionStatus, ProjectQueue};
use crate::status::{ExportStatus, Memory, RunStatus};
use crate::workload::State;

use Kind::{Counter, Gauge, Summary};

/// A family of its own: name, help, value.
type Part<T> = (&'static str, &'static str, fn(&T) -> u64);

/// The text.
#[must_use]
pub fn render(snapshot: &Snapshot) -> String {
    let mut text = Exposition::default();
    text.family("tracemill_build_info", Gauge, "The version that runs.")
        .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    workloads(snapshot, &mut text);
    let memories = [
        ("ingestion", snapshot.ingestion.as_ref().map(|status| status.memory)),
        ("export", snapshot.export.as_ref().map(|status| status.memory)),
    ];
    memory(&memories, &mut text);
    if let Some(status) = &snapshot.ingestion {
        ingestion(status, &mut text);
    }
    if let Some(status) = &snapshot.export {
        exports(status, &mut text);
    }
    http(&snapshot.faces, &mut text);
    interactive(snapshot, &mut text);
    text.finish()
}

fn workloads(snapshot: &Snapshot, text: &mut Exposition) {
    text.family("tracemill_workload_up", Gauge, "Whether the workload runs.");
    for (name, state) in &snapshot.states {
        text.sample(&[("workload", *name)], u8::from(*state == State::Running));
    }
    text.family(
        "tracemill_workload_healthy",
        Gauge,
        "Whether it moves where it has work: as /healthz.",
    );
    for name in snapshot.states.keys() {
        let is_ill = snapshot.ill.iter().any(|ill| ill.workload == *name);
        text.sample(&[("workload", *name)], u8::from(!is_ill));
    }
}

fn memory(budgets: &[(&str, Option<Memory>)], text: &mut Exposition) {
    let parts: [Part<Memory>; 3] = [
        ("tracemill_memory_limit_bytes", "The byte budget.", |memory| {
            memory.limit
        }),
        ("tracemill_memory_used_bytes", "Bytes that batches hold.", |memory| {
            memory.used
        }),
        (
            "tracemill_memory_peak_bytes",
            "The most that was held at once.",
            |memory| memory.peak,
        ),
    ];
    for (name, help, part) in parts {
        text.family(name, Gauge, help);
        for (graph, memory) in budgets {
            if let Some(memory) = memory {
                text.sample(&[("workload", *graph)], part(memory));
            }
        }
    }
}

fn ingestion(status: &IngestionStatus, text: &mut Exposition) {
    let queue = &status.queue;
    text.family("tracemill_queue_up", Gauge, "Whether the queue answers.")
        .sample(&[], u8::from(queue.state == "ready"));
    text.family("tracemill_queue_jobs", Gauge, "Jobs of the queue by their state.");
    let depths = [
        ("waiting", queue.waiting),
        ("active", queue.active),
        ("delayed", queue.delayed),
        ("failed", queue.failed),
    ];
    for (state, jobs) in depths {
        if let Some(jobs) = jobs {
            text.sample(&[("state", state)], jobs);
        }
    }
    if queue.waiting.is_some() {
        let age = queue.oldest_age_ms.unwrap_or(0) as f64 / 1_000.0;
        text.family(
            "tracemill_queue_oldest_seconds",
            Gauge,
            "The age of the oldest job that is not done.",
        )
        .sample(&[], age);
    }
    projects(&queue.projects, text);
    let counters = [
        (
            "tracemill_ingestion_jobs_pulled_total",
            "Jobs that were pulled.",
            status.pulled,
        ),
        (
            "tracemill_ingestion_jobs_acknowledged_total",
            "Jobs whose epoch is durable.",
            status.acknowledged,
        ),
        (
            "tracemill_ingestion_jobs_failed_total",
            "Jobs that failed for good.",
            status.failed,
        ),
        (
            "tracemill_ingestion_lookups_total",
            "Entities that were looked up in ClickHouse.",
            status.lookups,
        ),
        (
            "tracemill_ingestion_histories_total",
            "Lookups that read raw objects again.",
            status.histories,
        ),
        (
            "tracemill_ingestion_rows_written_total",
            "Rows that were written and verified.",
            status.written,
        ),
        (
            "tracemill_ingestion_rows_unchanged_total",
            "States that were stored already.",
            status.unchanged,
        ),
        (
            "tracemill_ingestion_rows_deleted_total",
            "States of entities that were deleted.",
            status.deleted,
        ),
        (
            "tracemill_ingestion_inserts_total",
            "Inserts that ClickHouse took.",
            status.inserted,
        ),
        (
            "tracemill_ingestion_letters_total",
            "Letters that were written.",
            status.letters,
        ),
    ];
    for (name, help, value) in counters {
        text.family(name, Counter, help).sample(&[], value);
    }
    let gauges = [
        (
            "tracemill_ingestion_epochs_open",
            "Epochs that are not durable yet.",
            status.epochs_open,
        ),
        (
            "tracemill_ingestion_entities_held",
            "Entities that are held in memory.",
            status.entities,
        ),
        (
            "tracemill_ingestion_entities_held_bytes",
            "Their size, about.",
            status.entity_bytes,
        ),
        (
            "tracemill_ingestion_inserts",
            "Inserts that are under way.",
            status.inserts.len() as u64,
        ),
    ];
    for (name, help, value) in gauges {
        text.family(name, Gauge, help).sample(&[], value);
    }
    if let Some(governor) = &status.governor {
        super::governed::inserts(governor, text);
    }
}

/// What waits of each project, and for how long the oldest of it has.
fn projects(projects: &[ProjectQueue], text: &mut Exposition) {
    text.family(
        "tracemill_project_queue_jobs",
        Gauge,
        "Jobs of a project by their state; those beyond the hundred that wait longest are one, _others.",
    );
    for project in projects {
        for (state, jobs) in [("waiting", project.waiting), ("active", project.active)] {
            text.sample(&[("project", &project.project), ("state", state)], jobs);
        }
    }
    text.family(
        "tracemill_project_ingestion_lag_seconds",
        Gauge,
        "The age of the oldest job of a project that is not durable.",
    );
    for project in projects {
        let age = project.oldest_age_ms.unwrap_or(0) as f64 / 1_000.0;
        text.sample(&[("project", &project.project)], age);
    }
}

fn exports(status: &RunStatus, text: &mut Exposition) {
    let counters: [Part<ExportStatus>; 10] = [
        (
            "tracemill_export_windows_planned_total",
            "Windows that were begun.",
            |e| e.windows_planned,
        ),
        (
            "tracemill_export_windows_committed_total",
            "Windows whose manifest is written.",
            |e| e.windows_committed,
        ),
        (
            "tracemill_export_rows_read_total",
            "Rows that came from ClickHouse.",
            |e| e.rows_read,
        ),
        (
            "tracemill_export_bytes_read_total",
            "Bytes of Arrow data that came from ClickHouse.",
            |e| e.bytes_read,
        ),
        (
            "tracemill_export_rows_written_total",
            "Rows that went into files.",
            |e| e.rows_written,
        ),
        (
            "tracemill_export_bytes_written_total",
            "Bytes of files that were sent.",
            |e| e.bytes_written,
        ),
        (
            "tracemill_export_files_written_total",
            "Files that were finished.",
            |e| e.files_written,
        ),
        (
            "tracemill_export_splits_total",
            "Leaves that failed and were split.",
            |e| e.splits,
        ),
        ("tracemill_export_letters_total", "Rows that were given up.", |e| {
            e.letters
        }),
        (
            "tracemill_export_outages_total",
            "Attempts that met a server that was away.",
            |e| e.outages,
        ),
    ];
    for (name, help, value) in counters {
        text.family(name, Counter, help);
        for export in &status.exports {
            text.sample(&labels(export), value(export));
        }
    }
    if let Some(governor) = &status.governor {
        super::governed::exports(governor, text);
    }
    text.family(
        "tracemill_export_last_commit_timestamp_seconds",
        Gauge,
        "When the newest manifest was written.",
    );
    for export in &status.exports {
        if let Some(last) = export.last {
            text.sample(&labels(export), last.at.0 as f64 / 1_000.0);
        }
    }
    text.family(
        "tracemill_export_cursor_timestamp_seconds",
        Gauge,
        "The end of what is exported without a gap.",
    );
    for export in &status.exports {
        if let Some(cursor) = export.cursor {
            text.sample(&labels(export), cursor.0 as f64 / 1_000.0);
        }
    }
    text.family(
        "tracemill_export_lag_seconds",
        Gauge,
        "How far the cursor is behind where it may be; where nothing is missing, the time since that was seen.",
    );
    for export in &status.exports {
        if let Some(ms) = export.behind_ms {
            text.sample(&labels(export), ms as f64 / 1_000.0);
        }
    }
    // The reference's histograms, with its names as far as Prometheus allows: dots become underscores.
    let mut family = String::new();
    for summary in &status.histograms {
        let name = summary.name.replace('.', "_");
        if name != family {
            text.family(&name, Summary, "See docs/export.md.");
            family = name;
        }
        let own: Vec<(&str, &str)> = summary
            .labels
            .split(',')
            .filter_map(|label| label.split_once('='))
            .collect();
        for (quantile, value) in [("0.5", summary.p50), ("0.99", summary.p99), ("1", summary.max)] {
            let all: Vec<_> = own.iter().copied().chain([("quantile", quantile)]).collect();
            text.sample(&all, value);
        }
        text.suffixed("_sum", &own, summary.mean * summary.count as f64);
        text.suffixed("_count", &own, summary.count);
    }
}

fn labels(export: &ExportStatus) -> [(&'static str, &str); 3] {
    let (project, table) = export.export.rsplit_once('/').unwrap_or((&export.export, ""));
    [("route", &export.route), ("project", project), ("table", table)]
}

fn interactive(snapshot: &Snapshot, text: &mut Exposition) {
    if let Some(reads) = &snapshot.reads {
        let gauges = [
            (
                "tracemill_interactive_running",
                "Interactive queries that run.",
                reads.running,
            ),
            (
                "tracemill_interactive_at_once",
                "How many interactive queries may run at once.",
                reads.at_once,
            ),
            (
                "tracemill_interactive_waiting",
                "Interactive queries that wait for their turn.",
                reads.waiting,
            ),
        ];
        for (name, help, value) in gauges {
            text.family(name, Gauge, help).sample(&[], value);
        }
        text.family(
            "tracemill_interactive_answered_total",
            Counter,
            "Interactive queries that were answered.",
        )
        .sample(&[], reads.answered);
        text.family(
            "tracemill_interactive_refused_total",
            Counter,
            "Interactive queries without an answer, by reason.",
        );
        for (reason, count) in &reads.refused {
            text.sample(&[("reason", reason)], count);
        }
    }
    let recent = snapshot.interactive;
    text.family(
        "tracemill_interactive_queries",
        Gauge,
        "Interactive queries of the last four seconds.",
    )
    .sample(&[], recent.count);
    if recent.count > 0 {
        text.family(
            "tracemill_interactive_seconds",
            Gauge,
            "How long interactive queries of the last four seconds took.",
        );
        for (quantile, took) in [("0.5", recent.p50), ("0.99", recent.p99), ("1", recent.max)] {
            text.sample(&[("quantile", quantile)], took.as_secs_f64());
        }
    }
}

fn http(faces: &[(&'static str, WebSnapshot)], text: &mut Exposition) {
    text.family("tracemill_http_requests_total", Counter, "Answers by route and status.");
    for (name, face) in faces {
        for (route, status, count) in &face.requests {
            let status = status.to_string();
            text.sample(&[("face", name), ("route", route.name()), ("status", &status)], count);
        }
    }
    text.family("tracemill_http_seconds", Summary, "Time to the answer by route.");
    for (name, face) in faces {
        for (route, histogram) in &face.latency {
            let own = [("face", *name), ("route", route.name())];
            for (quantile, of) in [("0.5", 0.5), ("0.99", 0.99), ("0.999", 0.999)] {
                let seconds = histogram.value_at_quantile(of) as f64 / 1e6;
                text.sample(&[own[0], own[1], ("quantile", quantile)], seconds);
            }
            text.suffixed("_sum", &own, histogram.mean() * histogram.len() as f64 / 1e6);
            text.suffixed("_count", &own, histogram.len());
        }
    }
    text.family(
        "tracemill_intake_events_total",
        Counter,
        "Events or spans by project and outcome.",
    );
    for (_, face) in faces.iter().filter(|(name, _)| *name == "intake") {
        for (project, accepted, rejected) in &face.events {
            for (outcome, count) in [("accepted", accepted), ("rejected", rejected)] {
                text.sample(&[("project", project), ("outcome", outcome)], count);
            }
        }
    }
    let counters: [Part<WebSnapshot>; 2] = [
        ("tracemill_http_body_bytes_total", "Bytes of bodies, as sent.", |face| {
            face.bytes
        }),
        (
            "tracemill_http_panics_total",
            "Connections that ended by a bug.",
            |face| face.panics,
        ),
    ];
    let gauges: [Part<WebSnapshot>; 2] = [
        ("tracemill_http_in_flight", "Requests in progress.", |face| {
            face.in_flight
        }),
        ("tracemill_http_connections", "Open connections.", |face| {
            face.connections
        }),
    ];
    let all = counters.into_iter().map(|part| (Counter, part));
    for (kind, (family, help, value)) in all.chain(gauges.into_iter().map(|part| (Gauge, part))) {
        text.family(family, kind, help);
        for (name, face) in faces {
            text.sample(&[("face", name)], value(face));
        }
    }
}
