//! Brings a server to the tables that Tracemill needs, and says what it lacks.
//!
//! Idempotent: each step makes what is missing and touches nothing that is there, so a server that Langfuse migrated is adopted
//! as it is, and an interrupted run is simply repeated. Steps that are done are noted in `tracemill_migrations`. No column
//! of a table that is there is ever altered: [`MigrateReport::findings`] names what differs.

use std::collections::BTreeMap;

use crate::error::WarehouseError;
use crate::service::Service;
use crate::statement::{Comment, Statement};
use crate::tables::{ActualColumn, ActualTable, DEFINITIONS, Finding, Form, Severity, compare, create_sql};
use crate::tombstones;

/// One step. Numbers only grow; a step that was published never changes.
struct Step {
    version: u32,
    name: &'static str,
    statements: fn(&Form) -> Vec<String>,
}

const STEPS: &[Step] = &[
    Step {
        version: 1,
        name: "traces, observations, scores, blob_storage_file_log",
        statements: |form| {
            DEFINITIONS
                .iter()
                .map(|definition| create_sql(definition, form))
                .collect()
        },
    },
    Step {
        version: 2,
        name: "tracemill_tombstones",
        statements: |form| {
            let engine = form.engine("ReplacingMergeTree", "deleted_at");
            vec![tombstones::create_sql(&form.on_cluster(), &engine)]
        },
    },
];

/// How to migrate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MigrateOptions {
    /// `ON CLUSTER` this.
    pub cluster: Option<String>,
    /// Replicated engines.
    pub replicated: bool,
    /// Change nothing, report only.
    pub dry_run: bool,
}

/// What was found and done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MigrateReport {
    /// The version before; 0 for a server that was never migrated by us.
    pub from: u32,
    /// The version now.
    pub to: u32,
    /// Tables that were made; with `dry_run`, that would be.
    pub created: Vec<&'static str>,
    /// Tables that were there before.
    pub adopted: Vec<&'static str>,
    /// What differs from the definitions, now.
    pub findings: Vec<Finding>,
}

impl MigrateReport {
    /// Whether Tracemill can work with the tables.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.severity() != Severity::Fault)
    }
}

fn comment() -> Comment {
    Comment::new("migrate")
}

/// The statements of every step, for people to read or to run themselves.
#[must_use]
pub fn script(options: &MigrateOptions) -> Vec<String> {
    let form = form(options);
    std::iter::once(log_sql(&form))
        .chain(STEPS.iter().flat_map(|step| (step.statements)(&form)))
        .collect()
}

fn form(options: &MigrateOptions) -> Form {
    Form {
        cluster: options.cluster.clone(),
        replicated: options.replicated,
    }
}

fn log_sql(form: &Form) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS `tracemill_migrations`{} (\n    `version` UInt32,\n    `name` String,\n    \
         `applied_at` DateTime64(3) DEFAULT now64(3)\n) ENGINE = {}\nORDER BY version",
        form.on_cluster(),
        form.engine("MergeTree", "")
    )
}

/// Migrates the service's database.
///
/// # Errors
/// Those of the server: the user may not create tables, the cluster is unknown. A table that differs is no error but a finding.
pub async fn migrate(service: &Service, options: &MigrateOptions) -> Result<MigrateReport, WarehouseError> {
    let form = form(options);
    let before = tables(service).await?;
    let from = version(service).await?;
    let mut report = MigrateReport {
        from,
        to: from,
        ..MigrateReport::default()
    };
    for definition in &DEFINITIONS {
        let list = if before.contains_key(definition.name) {
            &mut report.adopted
        } else {
            &mut report.created
        };
        list.push(definition.name);
    }
    if options.dry_run {
        report.findings = findings(&before);
        return Ok(report);
    }
    service.execute(&Statement::new(log_sql(&form), comment())).await?;
    for step in STEPS {
        // Every step runs each time: a table that somebody dropped comes back, one that is there costs nothing.
        for sql in (step.statements)(&form) {
            service.execute(&Statement::new(sql, comment())).await?;
        }
        if step.version > from {
            let note = Statement::new(
                "INSERT INTO `tracemill_migrations` (version, name) SELECT {version:UInt32}, {name:String}",
                comment(),
            );
            service
                .execute(&note.param("version", step.version).param("name", step.name))
                .await?;
            report.to = step.version;
        }
    }
    report.findings = findings(&tables(service).await?);
    Ok(report)
}

/// What differs from the definitions, without changing anything.
///
/// # Errors
/// Those of the server.
pub async fn check(service: &Service) -> Result<Vec<Finding>, WarehouseError> {
    Ok(findings(&tables(service).await?))
}

fn findings(tables: &BTreeMap<String, ActualTable>) -> Vec<Finding> {
    DEFINITIONS
        .iter()
        .flat_map(|definition| compare(definition, &tables.get(definition.name).cloned()))
        .collect()
}

/// The last step that was noted.
async fn version(service: &Service) -> Result<u32, WarehouseError> {
    let exists =
        "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = 'tracemill_migrations'";
    if service.one::<u64>(&Statement::new(exists, comment())).await? == 0 {
        return Ok(0);
    }
    service
        .one::<u32>(&Statement::new(
            "SELECT max(version) FROM `tracemill_migrations`",
            comment(),
        ))
        .await
}

/// What the database has of our tables.
async fn tables(service: &Service) -> Result<BTreeMap<String, ActualTable>, WarehouseError> {
    let names: Vec<&str> = DEFINITIONS.iter().map(|definition| definition.name).collect();
    let sql = "SELECT name, engine, sorting_key FROM system.tables \
               WHERE database = currentDatabase() AND name IN {names:Array(String)}";
    let statement = Statement::new(sql, comment()).param("names", names.as_slice());
    let mut tables: BTreeMap<String, ActualTable> = service
        .rows::<(String, String, String)>(&statement)
        .await?
        .into_iter()
        .map(|(name, engine, sort_key)| {
            let table = ActualTable {
                engine,
                sort_key,
                columns: Vec::new(),
            };
            (name, table)
        })
        .collect();
    let sql = "SELECT table, name, type FROM system.columns \
               WHERE database = currentDatabase() AND table IN {names:Array(String)} ORDER BY table, position";
    let statement = Statement::new(sql, comment()).param("names", names.as_slice());
    for (table, name, ty) in service.rows::<(String, String, String)>(&statement).await? {
        if let Some(table) = tables.get_mut(&table) {
            table.columns.push(ActualColumn { name, ty });
        }
    }
    Ok(tables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_grow() {
        assert!(STEPS.windows(2).all(|pair| pair[0].version < pair[1].version));
    }

    #[test]
    fn the_script_of_a_cluster_says_so_everywhere() {
        let options = MigrateOptions {
            cluster: Some("c".to_owned()),
            replicated: true,
            dry_run: false,
        };
        let script = script(&options);
        assert_eq!(script.len(), 2 + DEFINITIONS.len());
        for sql in script {
            assert!(
                sql.contains(" ON CLUSTER `c`") && sql.contains("ENGINE = Replicated"),
                "{sql}"
            );
        }
    }
}
