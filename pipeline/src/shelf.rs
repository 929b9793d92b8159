//! The exports that a store knows of: for commands that ask the store alone and never ClickHouse.

use std::collections::BTreeSet;

use tracemill_model::{ExportKey, ProjectId, Table};
use tracemill_sinks::commit::{Catalog, Layout};
use tracemill_sinks::store::Store;

use crate::PipelineError;
use crate::assemble::{self, Choice};
use crate::config::{Checked, FileFormat, Projects, Route};

/// One export as its store has it.
#[derive(Debug, Clone)]
pub struct Shelf {
    /// The graph and the sink.
    pub route: String,
    /// Its objects.
    pub catalog: Catalog,
    /// How far the horizon stays behind now.
    pub lag: std::time::Duration,
    /// Whether its files are Parquet.
    pub is_parquet: bool,
}

/// All chosen exports of a configuration that are configured by name or have left something in their store.
///
/// # Errors
/// Any of the stores.
pub async fn shelves(checked: &Checked, choice: &Choice) -> Result<Vec<Shelf>, PipelineError> {
    let mut shelves = Vec::new();
    for graph in &checked.graphs {
        for route in graph.routes() {
            let store = assemble::open_store(checked, &route)?;
            let layout = assemble::layout(&route);
            for key in keys(&store, &layout, &route).await? {
                if choice.has(&key) {
                    shelves.push(Shelf {
                        route: format!("{}.{}", graph.name, route.name),
                        catalog: Catalog {
                            store: store.clone(),
                            layout: layout.clone(),
                            key,
                        },
                        lag: route.windows.lag,
                        is_parquet: matches!(route.sink.format, FileFormat::Parquet { .. }),
                    });
                }
            }
        }
    }
    Ok(shelves)
}

async fn keys(store: &Store, layout: &Layout, route: &Route<'_>) -> Result<Vec<ExportKey>, PipelineError> {
    let tables: Vec<Table> = route.windows.tables.iter().map(|choice| choice.table).collect();
    let mut keys = BTreeSet::new();
    if let Projects::Ids(ids) = &route.windows.projects {
        for project in ids {
            let is_traces_only = route.windows.trace_only.contains(project);
            let chosen = tables
                .iter()
                .filter(|table| !is_traces_only || **table == Table::Traces);
            keys.extend(chosen.map(|table| ExportKey {
                project: project.clone(),
                table: *table,
            }));
        }
        return Ok(keys.into_iter().collect());
    }
    let last = |path: &str| path.rsplit('/').next().map(str::to_owned);
    for folder in store.list_folders(&format!("{}_tracemill", layout.prefix)).await? {
        let Some(project) = last(&folder).and_then(|id| ProjectId::new(id).ok()) else {
            continue;
        };
        for below in store.list_folders(&folder).await? {
            let table = last(&below).and_then(|name| Table::parse(&name));
            keys.extend(table.filter(|table| tables.contains(table)).map(|table| ExportKey {
                project: project.clone(),
                table,
            }));
        }
    }
    Ok(keys.into_iter().collect())
}
