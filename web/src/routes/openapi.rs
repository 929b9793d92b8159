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
    use super::super::table::Table;
    use super::*;

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
