//! An engine with the tables, and rows to put into it.

use std::time::Duration;

use tempfile::TempDir;
use tracemill_model::Millis;
use tracemill_model::ingest::{
    EntityKey, EntityKind, Level, ObservationRow, ObservationType, Row, ScoreRow, Text, TraceRow,
};
use tracemill_operators::Clock;
use tracemill_sinks::rows::{Batch, Builder, Patience, RowTable, Writer};
use tracemill_warehouse::embedded::{ChildCommand, Options};
use tracemill_warehouse::{Comment, Embedded, MigrateOptions, Service, ServiceConfig, ServiceKind, Statement, migrate};

/// 2026-02-25T12:15:00Z.
pub(crate) const NOON: i64 = 1_772_021_700_000;

pub(crate) struct Engine {
    pub(crate) embedded: Embedded,
    pub(crate) service: Service,
    pub(crate) folder: TempDir,
}

impl Engine {
    /// Starts one, with the tables.
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options = Options {
            child: Some(ChildCommand::test("clickhouse_child").expect("this program")),
            keep: false,
            ..Options::new(folder.path().join("clickhouse"))
        };
        let embedded = Embedded::start(&options).await.expect("a started engine");
        let service = Service::new(ServiceKind::ReadWrite, &embedded.admin_config()).expect("a service");
        migrate(&service, &MigrateOptions::default()).await.expect("migrated");
        Self {
            embedded,
            service,
            folder,
        }
    }

    /// A service of ingestion's own user.
    pub(crate) fn ingestion(&self) -> Service {
        let config = self.embedded.service_config(ServiceKind::ReadWrite);
        Service::new(ServiceKind::ReadWrite, &config).expect("a service")
    }

    pub(crate) async fn run(&self, text: &str) {
        self.service.execute(&sql(text)).await.expect("carried out");
    }

    pub(crate) async fn count(&self, text: &str) -> u64 {
        self.service.one::<u64>(&sql(text)).await.expect("a count")
    }

    pub(crate) async fn text(&self, text: &str) -> String {
        self.service.one::<String>(&sql(text)).await.expect("a text")
    }
}

pub(crate) fn sql(text: &str) -> Statement {
    Statement::new(text, Comment::new("test"))
}

/// A service by another way to the same server.
pub(crate) fn service_at(url: String) -> Service {
    let config = ServiceConfig {
        url,
        ..ServiceConfig::default()
    };
    Service::new(ServiceKind::ReadWrite, &config).expect("a service")
}

/// A writer that hardly waits.
pub(crate) fn writer(service: &Service) -> Writer {
    let patience = Patience::of(|_| Duration::from_millis(10));
    Writer::new(service.clone(), Clock::of(|| Millis(NOON)), patience)
}

pub(crate) fn batch(rows: &[Row]) -> Batch {
    let mut builder = Builder::new(RowTable::of(rows[0].kind()));
    for row in rows {
        builder.push(row).expect("a row that fits");
    }
    builder.take()
}

pub(crate) fn key(project: &str, kind: EntityKind, id: &str) -> EntityKey {
    EntityKey {
        project: project.into(),
        kind,
        id: id.into(),
    }
}

pub(crate) fn trace(project: &str, id: &str) -> TraceRow {
    TraceRow {
        id: id.into(),
        project_id: project.into(),
        timestamp: Millis(NOON),
        name: "".into(),
        user_id: None,
        metadata: Vec::new(),
        release: None,
        version: None,
        environment: "default".into(),
        public: false,
        bookmarked: false,
        tags: Vec::new(),
        input: None,
        output: None,
        session_id: None,
        created_at: Millis(NOON),
        updated_at: Millis(NOON),
        event_ts: Millis(NOON),
        is_deleted: false,
    }
}

pub(crate) fn observation(project: &str, trace: &str, id: &str) -> ObservationRow {
    ObservationRow {
        id: id.into(),
        project_id: project.into(),
        trace_id: trace.into(),
        environment: "default".into(),
        ty: ObservationType::Generation,
        parent_observation_id: None,
        start_time: Millis(NOON),
        end_time: None,
        completion_start_time: None,
        name: "".into(),
        metadata: Vec::new(),
        level: Level::Default,
        status_message: None,
        version: None,
        input: None,
        output: None,
        provided_model_name: None,
        internal_model_id: None,
        model_parameters: None,
        provided_usage_details: Vec::new(),
        usage_details: Vec::new(),
        provided_cost_details: Vec::new(),
        cost_details: Vec::new(),
        total_cost: None,
        prompt_id: None,
        prompt_name: None,
        prompt_version: None,
        created_at: Millis(NOON),
        updated_at: Millis(NOON),
        event_ts: Millis(NOON),
        is_deleted: false,
        usage_pricing_tier_id: None,
        usage_pricing_tier_name: None,
        tool_definitions: Vec::new(),
        tool_calls: Vec::new(),
        tool_call_names: Vec::new(),
    }
}

pub(crate) fn score(project: &str, trace: Option<&str>, id: &str) -> ScoreRow {
    ScoreRow {
        id: id.into(),
        project_id: project.into(),
        timestamp: Millis(NOON),
        environment: "default".into(),
        trace_id: trace.map(Text::from),
        session_id: None,
        dataset_run_id: None,
        observation_id: None,
        name: "quality".into(),
        value: 0.5,
        source: "API".into(),
        comment: None,
        metadata: Vec::new(),
        author_user_id: None,
        config_id: None,
        data_type: "NUMERIC".into(),
        string_value: None,
        queue_id: None,
        created_at: Millis(NOON),
        updated_at: Millis(NOON),
        event_ts: Millis(NOON),
        is_deleted: false,
        execution_trace_id: None,
        long_string_value: "".into(),
    }
}

pub(crate) fn traces(project: &str, ids: impl IntoIterator<Item = String>) -> Vec<Row> {
    ids.into_iter()
        .map(|id| Row::Trace(Box::new(trace(project, &id))))
        .collect()
}
