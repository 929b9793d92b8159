//! The configuration: TOML text becomes spanned values, then checked data, or every fault at once.
//!
//! - Nothing here connects to anything or reads a clock; the environment comes in as a function.
//! - A fault never hides another: a value that cannot be read is replaced by its default while checking goes on, and
//!   the result is thrown away. Only text that is not TOML at all keeps the rest from being looked at.
//! - A secret never prints: faults show values as the file has them (`${NAME}`), and not at all where a key holds a
//!   secret; checked passwords and store options are [`tracemill_model::Secret`].
//! - Precedence is per key: the file, then the environment variable that operators of Langfuse know, then the default.

mod access;
mod checked;
pub mod defaults;
mod edges;
mod expand;
mod family;
mod fault;
mod governor;
mod graphs;
mod ingestion;
mod intake;
mod places;
mod queue;
mod raw;
mod reader;
mod redis;
mod services;
mod sinks;
mod stores;
mod url;
mod web;
mod weights;
mod windows;

pub use checked::{
    Access, AccessKey, Backend, Batch, BullMq, Checked, Compression, Embedded, Engine, FileFormat, FileSink, Governor,
    Graph, IngestionRoute, Intake, KeyProof, Layout, LetterSink, Limits, Merge, OnStuck, Operator, OperatorKind,
    Organisation, Pages, Prices, Projects, Queries, QueryLimits, Queue, Reads, Reconcile, Role, Route, RowSink, Server,
    Servers, Sink, SinkKind, Source, SourceKind, Start, Status, Store, StoreKind, TableChoice, Web, Windows,
    WireCompression,
};
pub use edges::Flow;
pub use fault::{Fault, render};
pub(crate) use reader::Span;
pub use stores::StoreCheck;

use access::Asking;
use fault::Context;
use graphs::Surroundings;
use reader::Section;

/// Reads a configuration.
///
/// `file_name` is what faults call the file. `env` gives the value of an environment variable; it is asked for the
/// variables that the file names and for those that operators of Langfuse know.
///
/// # Errors
/// Every fault of the text and of the environment, in the order of the file; those of no line come last.
pub fn load(text: &str, file_name: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Checked, Vec<Fault>> {
    load_with(text, file_name, env, &|_| Vec::new())
}

/// The same, and every store checks its own address and options: what they may be is not known here.
///
/// # Errors
/// As [`load`], and what `stores` says.
pub fn load_with(
    text: &str,
    file_name: &str,
    env: &dyn Fn(&str) -> Option<String>,
    stores: &StoreCheck<'_>,
) -> Result<Checked, Vec<Fault>> {
    load_as(text, file_name, env, stores, None)
}

/// The same for a process of that role, whatever the file and the environment say.
///
/// # Errors
/// As [`load_with`].
pub fn load_as(
    text: &str,
    file_name: &str,
    env: &dyn Fn(&str) -> Option<String>,
    stores: &StoreCheck<'_>,
    role: Option<Role>,
) -> Result<Checked, Vec<Fault>> {
    let context = Context::new(file_name, text, env);
    let checked = raw::parse(&context, text).and_then(|table| check(&context, file_name, &table, stores, role));
    let faults = context.into_faults();
    match checked {
        Some(checked) if faults.is_empty() => Ok(checked),
        _ => Err(faults),
    }
}

fn check(
    context: &Context<'_>,
    file_name: &str,
    table: &raw::RawTable,
    store_check: &StoreCheck<'_>,
    role: Option<Role>,
) -> Option<Checked> {
    let root = Section::new(context, String::new(), 0, table);
    let of_file = stores::role(&root);
    let role = role.unwrap_or(of_file);
    let (engine, queries) = services::read(&root, role);
    let stores = stores::read(&root, store_check);
    let limits = stores::limits(&root);
    let status = stores::status(&root);
    let shared = windows::shared(&root);
    let intake = intake::read(&root);
    let web = web::read(&root, intake.as_ref(), role);
    let governor = governor::read(&root);
    let access = access::read(&root, &Asking::of(&root, intake.as_ref(), web.as_ref()));
    let prices = intake::prices(&root);
    let around = Surroundings {
        stores: &stores,
        shared: &shared,
        memory: limits.memory,
        share: limits.memory,
    };
    let drafted = graphs::read(&root, &around);
    places::check(context, &drafted, &stores);
    family::check_file(&root, &drafted, role, engine.as_ref());
    root.finish();
    Some(Checked {
        file: file_name.to_owned(),
        role,
        engine: engine?,
        queries,
        stores: stores
            .into_iter()
            .filter_map(|(name, store)| Some((name, store?)))
            .collect(),
        limits,
        status,
        intake,
        web,
        governor,
        access,
        weights: shared.weights,
        prices,
        graphs: drafted.into_iter().map(|drafted| drafted.graph).collect(),
    })
}
