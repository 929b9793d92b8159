//! `GET /openapi.json`: the description of this API, with the routes that this process serves.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use serde_json::Value;

use super::table::BASE;
use crate::app::App;
use crate::reply;

/// All routes, written by hand: names, bounds and shapes. Tests hold it against the routes and against their answers.
const DOCUMENT: &str = include_str!("../../openapi.json");

pub(crate) async fn document(State(app): State<App>) -> Response {
    reply::json(StatusCode::OK, app.0.openapi.clone())
}

/// The document with these routes alone.
pub(crate) fn of(listed: &[(Method, String)]) -> Bytes {
    let mut document: Value = serde_json::from_str(DOCUMENT).expect("the document is JSON, as a test shows");
    let served: BTreeSet<(String, String)> = listed
        .iter()
        .map(|(method, path)| (format!("{BASE}{path}"), method.as_str().to_ascii_lowercase()))
        .collect();
    if let Some(paths) = document["paths"].as_object_mut() {
        paths.retain(|path, methods| {
            let Some(methods) = methods.as_object_mut() else {
                return false;
            };
            methods.retain(|method, _| method == "parameters" || served.contains(&(path.clone(), method.clone())));
            methods.keys().any(|method| method != "parameters")
        });
    }
    Bytes::from(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::read::columns;
    use super::super::table::Table;
    use super::*;
    use crate::query::metrics::VIEWS;

    fn operations(document: &Value) -> BTreeSet<(String, String)> {
        let paths = document["paths"].as_object().unwrap();
        let of = |(path, methods): (&String, &Value)| {
            let methods = methods
                .as_object()
                .unwrap()
                .keys()
                .filter(|method| *method != "parameters");
            methods.map(|method| (path.clone(), method.clone())).collect::<Vec<_>>()
        };
        paths.iter().flat_map(of).collect()
    }

    #[test]
    fn every_route_is_described_and_no_other() {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        let listed = Table::shared().writing().reading().listed;
        let served: BTreeSet<(String, String)> = listed
            .iter()
            .map(|(method, path)| (format!("{BASE}{path}"), method.as_str().to_ascii_lowercase()))
            .collect();
        assert_eq!(operations(&document), served);
        assert_eq!(served.len(), listed.len());
    }

    fn texts(value: &Value) -> BTreeSet<String> {
        let texts = value.as_array().into_iter().flatten().filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    }

    #[test]
    fn every_name_of_a_condition_and_of_a_total_is_described() {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        let schemas = &document["components"]["schemas"];
        let plain = ["fromTimestamp", "toTimestamp", "fromStartTime", "toStartTime"];
        for (name, columns) in [
            ("TraceCondition", columns::TRACES),
            ("ObservationCondition", columns::OBSERVATIONS),
            ("ScoreCondition", columns::SCORES),
        ] {
            let kinds = schemas[name]["anyOf"].as_array().unwrap();
            let described: BTreeSet<String> = kinds
                .iter()
                .flat_map(|kind| texts(&kind["properties"]["column"]["enum"]))
                .collect();
            let names = columns.iter().flat_map(|column| column.names);
            let known = names
                .filter(|name| !plain.contains(name))
                .map(|name| (*name).to_owned());
            assert_eq!(described, known.collect(), "{name}");
        }
        let views = schemas["MetricsQuery"]["anyOf"].as_array().unwrap();
        assert_eq!(views.len(), VIEWS.len());
        for (described, view) in views.iter().zip(VIEWS) {
            let properties = &described["properties"];
            assert_eq!(properties["view"]["const"], view.name);
            let dimensions = view.dimensions.iter().map(|one| one.name.to_owned());
            let of = |name: &str, inner: &str| texts(&properties[name]["items"]["properties"][inner]["enum"]);
            assert_eq!(of("dimensions", "field"), dimensions.collect());
            let measures = view.measures.iter().map(|one| one.name.to_owned());
            assert_eq!(of("metrics", "measure"), measures.collect());
        }
    }

    #[test]
    fn a_process_describes_what_it_serves() {
        let of = |table: Table| -> Value { serde_json::from_slice(&of(&table.listed)).unwrap() };
        let reads = of(Table::shared().reading());
        assert!(reads["paths"]["/api/public/traces"]["get"].is_object());
        assert!(reads["paths"]["/api/public/traces"]["post"].is_null());
        assert!(reads["paths"]["/api/public/ingestion"].is_null());
        let writes = of(Table::shared().writing());
        assert!(writes["paths"]["/api/public/traces"]["get"].is_null());
    }
}
