//! `GET /v2/observations`: pages that follow on each other, with the groups of fields that are asked for.

use std::collections::HashMap;

use serde::Serialize;
use tracemill_model::{Millis, Table};

use super::observations::LEVELS;
use super::params::Params;
use super::{Answer, Ask, Followed, Told, columns, conditions, lists};
use crate::query::list::NEWEST_FIRST;
use crate::query::metrics::IS_ROOT;
use crate::query::observations::{self, ObservationRow, ParentRow, Wide};
use crate::query::{Cursor, Filter, Listing};
use crate::shape::observation_v2::{Fields, METADATA, observation};

/// The most observations of a page.
const MOST: u64 = 1_000;

fn filters(params: &mut Params) -> Vec<Filter> {
    params.choice("level", &LEVELS);
    let of_traces: Vec<Filter> = [params.is("userId", "user_id"), params.is("sessionId", "session_id")]
        .into_iter()
        .flatten()
        .collect();
    let parent = "parent_observation_id";
    let orphans = params
        .has("parentObservationId")
        .then_some(Filter::Absent { column: parent });
    let all = [
        params.is("name", "name"),
        params.is("type", "type"),
        params.is("traceId", "trace_id"),
        params.is("level", "level"),
        params.is("parentObservationId", parent).or(orphans),
        params
            .flag("isRootObservation")
            .map(|value| Filter::Flag { column: IS_ROOT, value }),
        params.is("version", "version"),
        params.one_of("environment", "environment"),
        (!of_traces.is_empty()).then_some(Filter::OfTraces { filters: of_traces }),
    ];
    all.into_iter().flatten().collect()
}

/// A page of observations, the newest first.
pub(crate) async fn list(mut ask: Ask) -> Answer<impl Serialize> {
    let project = &*ask.project();
    let params = &mut ask.params;
    let (limit, cursor) = (params.limit(MOST), params.cursor());
    let fields = Fields::of(params.fields(&Fields::NAMES));
    let whole = params.listed("expandMetadata").unwrap_or_default();
    if params.flag("parseIoAsJson") == Some(true) {
        params.fault("parseIoAsJson: input and output are told as texts; leave it out or set it to false");
    }
    let conditions = conditions::read(params, columns::OBSERVATIONS, Table::Observations, "fromStartTime");
    let listing = Listing {
        table: Table::Observations,
        project: project.to_owned(),
        span: conditions.within(params.span("fromStartTime", "toStartTime")),
        filters: [filters(params), conditions.filters].concat(),
        order: NEWEST_FIRST,
    };
    let listing = match cursor {
        Some(cursor) => listing.beyond(cursor),
        None => listing,
    };
    let reader = &ask.reader()?;
    let wide = Wide {
        io: fields.io,
        // One more than is told, so that what is cut can be known.
        metadata: fields.metadata.then_some((METADATA as u64 + 1, &*whole)),
    };
    let rows = |places: &[_]| observations::rows_with(project, places, wide);
    let (rows, more) = lists::next(reader, &listing, limit, rows, |row: &ObservationRow| &row.id).await?;
    let cursor = rows.last().filter(|_| more).map(|last| Cursor {
        at: Millis(last.start_time),
        id: last.id.clone(),
    });
    let mut ids: Vec<&str> = rows
        .iter()
        .map(|row| &*row.trace_id)
        .filter(|id| !id.is_empty())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let parents: Vec<ParentRow> = match fields.needs_trace() && !ids.is_empty() {
        true => reader.rows(observations::parents(project, &ids)).await?,
        false => Vec::new(),
    };
    let parents: HashMap<&str, &ParentRow> = parents.iter().map(|parent| (&*parent.id, parent)).collect();
    let data = rows.iter().map(|row| {
        let parent = parents.get(&*row.trace_id).copied();
        observation(project, row, parent, fields, &whole)
    });
    Ok(Told(Followed::new(
        data.collect(),
        cursor.map(|cursor| cursor.text()),
        None,
    )))
}
