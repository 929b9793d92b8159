//! `GET /observations` and `GET /observations/{id}`.

use serde::Serialize;
use tracemill_model::Table;

use super::params::Params;
use super::{Answer, Ask, Id, Paged, Told, columns, conditions, lists, only};
use crate::query::list::NEWEST_FIRST;
use crate::query::observations::{self, ObservationRow};
use crate::query::{Filter, Listing};
use crate::shape;

pub(crate) const LEVELS: [(&str, ()); 4] = [("DEBUG", ()), ("DEFAULT", ()), ("WARNING", ()), ("ERROR", ())];

fn filters(params: &mut Params) -> Vec<Filter> {
    params.choice("level", &LEVELS);
    let user = params
        .is("userId", "user_id")
        .map(|user| Filter::OfTraces { filters: vec![user] });
    let all = [
        params.is("name", "name"),
        params.is("type", "type"),
        params.is("traceId", "trace_id"),
        params.is("level", "level"),
        params.is("parentObservationId", "parent_observation_id"),
        params.is("version", "version"),
        params.one_of("environment", "environment"),
        user,
    ];
    all.into_iter().flatten().collect()
}

/// A page of observations.
pub(crate) async fn list(mut ask: Ask) -> Answer<impl Serialize> {
    let project = &*ask.project();
    let page = ask.params.page();
    let with_io = ask.wants("io", &["core", "io"], false);
    let params = &mut ask.params;
    let conditions = conditions::read(params, columns::OBSERVATIONS, Table::Observations, "fromStartTime");
    let listing = Listing {
        table: Table::Observations,
        project: project.to_owned(),
        span: conditions.within(params.span("fromStartTime", "toStartTime")),
        filters: [filters(params), conditions.filters].concat(),
        order: NEWEST_FIRST,
    };
    let reader = ask.reader()?;
    let rows = |places: &[_]| observations::rows(project, places, with_io);
    let (rows, total) = lists::page(&reader, &listing, page, rows, |row: &ObservationRow| &row.id).await?;
    let data = rows.into_iter().map(|row| shape::observation(project, row));
    Ok(Told(Paged::new(data.collect::<Vec<_>>(), page, total)))
}

/// One observation.
pub(crate) async fn get(ask: Ask, Id(id): Id) -> Answer<impl Serialize> {
    let project = &*ask.project();
    let row = only(
        ask.reader()?.rows(observations::one(project, &id)).await?,
        "Observation",
    )?;
    Ok(Told(shape::observation(project, row)))
}
