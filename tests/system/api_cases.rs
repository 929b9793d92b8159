//! One of everything, and what can be asked about it by each route of the API's document.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::{Value, json};

/// In every text of the first project's rows.
pub(crate) const MARK: &str = "own-e7f3";

/// A day that all of the rows are of.
const DAY: &str = "2026-03-05";

/// One of everything, as a batch of events.
pub(crate) fn rows() -> Value {
    let at = |seconds: u32| format!("{DAY}T10:00:{seconds:02}.000Z");
    let id = |name: &str| format!("{MARK}-{name}");
    let event = |name: &str, kind: &str, body: Value| json!({ "id": id(&format!("event-{name}")), "type": kind, "timestamp": at(30), "body": body });
    let score = |name: &str, value: Value, kind: &str, of: (&str, &str)| {
        let mut body = json!({ "id": id(name), "name": id(name), "value": value, "dataType": kind, of.0: id(of.1),
            "comment": id("comment"), "metadata": { id("key"): id("value") }, "environment": MARK, "timestamp": at(9) });
        if name == "of-generation" {
            body["observationId"] = id("generation").into();
        }
        event(name, "score-create", body)
    };
    json!({ "batch": [
        event("trace", "trace-create", json!({ "id": id("trace"), "name": id("trace"), "userId": id("user"),
            "sessionId": id("session"), "release": id("release"), "version": id("version"), "tags": [id("tag"), id("more")],
            "environment": MARK, "public": false, "timestamp": at(0), "metadata": { id("key"): id("value"), "n": 5 },
            "input": { "question": id("in") }, "output": id("out") })),
        event("span", "span-create", json!({ "id": id("span"), "traceId": id("trace"), "name": id("span"),
            "startTime": at(1), "endTime": at(8), "environment": MARK, "version": id("version") })),
        event("generation", "generation-create", json!({ "id": id("generation"), "traceId": id("trace"),
            "parentObservationId": id("span"), "name": id("generation"), "startTime": at(2), "endTime": at(6),
            "completionStartTime": at(3), "model": id("model"), "modelParameters": { "temperature": 1 },
            "usageDetails": { "input": 10, "output": 20, "total": 30 }, "costDetails": { "input": 0.25, "output": 0.5 },
            "level": "WARNING", "statusMessage": id("status"), "environment": MARK, "version": id("version"),
            "promptName": id("prompt"), "promptVersion": 3, "metadata": { id("key"): id("value") },
            "input": [{ "role": "user", "content": id("in") }], "output": id("out") })),
        score("number", json!(0.5), "NUMERIC", ("traceId", "trace")),
        score("category", json!(id("good")), "CATEGORICAL", ("traceId", "trace")),
        score("truth", json!(1), "BOOLEAN", ("traceId", "trace")),
        score("of-generation", json!(0.75), "NUMERIC", ("traceId", "trace")),
        score("of-session", json!(1.5), "NUMERIC", ("sessionId", "session")),
    ] })
}

/// A request that the owner's key makes with success.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) method: &'static str,
    /// As in the document.
    route: &'static str,
    /// With its query.
    pub(crate) path: String,
    pub(crate) body: Option<Value>,
    /// The owner finds rows of its own.
    pub(crate) finds: bool,
    pub(crate) needs_key: bool,
    params: Vec<&'static str>,
}

/// Method and path.
pub(crate) type Operation = (String, String);

impl Case {
    pub(crate) fn operation(&self) -> Operation {
        (self.method.to_owned(), format!("/api/public{}", self.route))
    }

    pub(crate) fn tries(&self, param: &str) -> bool {
        self.params.contains(&param)
    }
}

/// Every operation of a document.
pub(crate) fn operations(document: &Value) -> BTreeSet<Operation> {
    let paths = document["paths"].as_object().expect("paths");
    let of = |(path, methods): (&String, &Value)| {
        let methods = methods.as_object().expect("methods").keys();
        methods
            .map(|method| (method.to_uppercase(), path.clone()))
            .collect::<Vec<_>>()
    };
    paths.iter().flat_map(of).collect()
}

/// Every parameter of a document that says which rows are meant, with its operation.
pub(crate) fn about_rows(document: &Value) -> Vec<(Operation, String)> {
    // How much is told, and in which order; and what has no value that this project has alone.
    let about_answers = [
        "id",
        "page",
        "limit",
        "cursor",
        "fields",
        "orderBy",
        "expandMetadata",
        "parseIoAsJson",
        "operator",
        "value",
        "valueMin",
        "valueMax",
        "isRootObservation",
        "level",
        "type",
        "source",
        "dataType",
        "configId",
        "queueId",
        "authorUserId",
        "datasetRunId",
        "experimentId",
    ];
    let mut all = Vec::new();
    for (method, path) in operations(document) {
        let params = &document["paths"][&path][method.to_lowercase()]["parameters"];
        for param in params.as_array().into_iter().flatten() {
            let reference = param["$ref"].as_str().expect("parameters are referred to");
            let param = document
                .pointer(reference.trim_start_matches('#'))
                .expect("a parameter");
            let name = param["name"].as_str().expect("a name");
            if !about_answers.contains(&name) {
                all.push(((method.clone(), path.clone()), name.to_owned()));
            }
        }
    }
    all
}

fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
        out
    })
}

fn get(route: &'static str, params: &[(&'static str, String)]) -> Case {
    let query: Vec<String> = params
        .iter()
        .map(|(name, value)| format!("{name}={}", escaped(value)))
        .collect();
    let path = format!("/api/public{}?{}", route, query.join("&"));
    Case {
        method: "GET",
        route,
        path,
        body: None,
        finds: true,
        needs_key: true,
        params: params.iter().map(|(name, _)| *name).collect(),
    }
}

/// `/{id}` of an entity.
fn one(route: &'static str, name: &str) -> Case {
    let mut case = get(route, &[]);
    case.path = case.path.replace("{id}", &format!("{MARK}-{name}"));
    case
}

fn write(method: &'static str, route: &'static str, path: &str, body: Option<Value>) -> Case {
    Case {
        method,
        path: format!("/api/public{path}"),
        body,
        finds: false,
        ..get(route, &[])
    }
}

/// All cases, at least one for each route.
pub(crate) fn all() -> Vec<Case> {
    let mut all = process();
    all.extend(lists());
    all.extend(totals());
    all.extend([
        one("/traces/{id}", "trace"),
        one("/observations/{id}", "generation"),
        one("/scores/{id}", "number"),
        one("/v2/scores/{id}", "number"),
        one("/sessions/{id}", "session"),
    ]);
    all.extend(writes());
    all
}

fn process() -> Vec<Case> {
    let tell = |route, needs_key| Case {
        finds: false,
        needs_key,
        ..get(route, &[])
    };
    vec![
        tell("/health", false),
        tell("/ready", false),
        tell("/openapi.json", false),
        tell("/projects", true),
    ]
}

/// Each list as it is, and with each parameter that names rows of the owner.
fn lists() -> Vec<Case> {
    let mark = |name: &str| format!("{MARK}-{name}");
    let condition = |kind: &str, column: &str, value: Value, key: Option<&str>| {
        let operator = if kind == "arrayOptions" { "all of" } else { "=" };
        json!([{ "type": kind, "column": column, "operator": operator, "value": value, "key": key.map(mark) }])
            .to_string()
    };
    let of_metadata = condition("stringObject", "metadata", mark("value").into(), Some("key"));
    let of_user = condition("string", "userId", mark("user").into(), None);
    let of_tags = condition("arrayOptions", "tags", json!([mark("tag")]), None);
    let mut all = Vec::new();
    let mut list = |route: &'static str, params: &[(&'static str, String)]| {
        all.push(get(route, &[]));
        all.extend(params.iter().map(|param| get(route, std::slice::from_ref(param))));
    };
    let (from, to) = (format!("{DAY}T00:00:00Z"), "2026-03-06".to_owned());
    let times = [("fromTimestamp", from.clone()), ("toTimestamp", to.clone())];
    let of_trace = [
        ("userId", mark("user")),
        ("sessionId", mark("session")),
        ("version", mark("version")),
        ("release", mark("release")),
        ("tags", mark("tag")),
        ("environment", MARK.to_owned()),
    ];
    let filters = [("filter", of_metadata), ("filter", of_user), ("filter", of_tags)];
    let trace_only = [
        ("name", mark("trace")),
        (
            "filter",
            condition("numberObject", "scores_avg", 0.5.into(), Some("number")),
        ),
        (
            "filter",
            condition("booleanObject", "score_booleans", true.into(), Some("truth")),
        ),
        ("filter", condition("number", "errorCount", 0.into(), None)),
        ("fields", "core,io,observations,scores,metrics".to_owned()),
    ];
    list("/traces", &[&of_trace[..], &times, &filters, &trace_only].concat());
    let observed = [
        ("name", mark("generation")),
        ("userId", mark("user")),
        ("traceId", mark("trace")),
        ("parentObservationId", mark("span")),
        ("environment", MARK.to_owned()),
        ("version", mark("version")),
        ("fromStartTime", from),
        ("toStartTime", to),
    ];
    list(
        "/observations",
        &[&observed[..], &filters, &[("fields", "io".to_owned())]].concat(),
    );
    let groups = "core,basic,time,io,metadata,model,usage,prompt,metrics,trace_context";
    let followed = [
        ("sessionId", mark("session")),
        ("fields", groups.to_owned()),
        ("isRootObservation", "true".to_owned()),
    ];
    list("/v2/observations", &[&observed[..], &filters, &followed].concat());
    let scored = [
        ("userId", mark("user")),
        ("name", mark("number")),
        ("environment", MARK.to_owned()),
        ("scoreIds", mark("number")),
        ("traceTags", mark("tag")),
        ("traceId", mark("trace")),
        ("observationId", mark("generation")),
        ("fields", "score".to_owned()),
    ];
    let of_session = get("/v2/scores", &[("sessionId", mark("session"))]);
    list("/scores", &[&scored[..], &times, &filters].concat());
    list("/v2/scores", &[&scored[..], &times, &filters].concat());
    let followed = [
        ("id", mark("number")),
        ("name", format!("x,{}", mark("number"))),
        ("environment", MARK.to_owned()),
        ("traceId", mark("trace")),
        ("sessionId", mark("session")),
        ("fields", "details,subject,annotation".to_owned()),
    ];
    list("/v3/scores", &[&followed[..], &times].concat());
    list("/sessions", &[&times[..], &[("environment", MARK.to_owned())]].concat());
    let trace_name = [("traceName", mark("trace"))];
    let daily = [&trace_name[..], &of_trace[..1], &of_trace[2..], &times].concat();
    list("/metrics/daily", &daily);
    all.push(of_session);
    all.push(get(
        "/v3/scores",
        &[("traceId", mark("trace")), ("observationId", mark("generation"))],
    ));
    // No score of a trace is one of a session.
    let mut empty = get("/scores", &[("sessionId", mark("session"))]);
    empty.finds = false;
    all.push(empty);
    all
}

/// Totals by names that only the owner has.
fn totals() -> Vec<Case> {
    let queries = [
        ("observations", "name", "count", "traceName", "trace"),
        ("observations", "tags", "totalCost", "userId", "user"),
        ("observations", "traceName", "countScores", "environment", ""),
        ("scores-numeric", "traceName", "value", "observationName", "generation"),
        ("scores-numeric", "observationModelName", "count", "traceId", "trace"),
        ("scores-boolean", "name", "count", "traceName", "trace"),
        ("scores-categorical", "stringValue", "count", "userId", "user"),
    ];
    let query = |(view, dimension, measure, column, value): (&str, &str, &str, &str, &str)| {
        let value = if value.is_empty() {
            MARK.to_owned()
        } else {
            format!("{MARK}-{value}")
        };
        json!({
            "view": view,
            "dimensions": [{ "field": dimension }],
            "metrics": [{ "measure": measure, "aggregation": "sum" }],
            "filters": [{ "type": "string", "column": column, "operator": "=", "value": value }],
            "timeDimension": { "granularity": "day" },
            "fromTimestamp": format!("{DAY}T00:00:00Z"),
            "toTimestamp": "2026-03-06T00:00:00Z",
        })
    };
    queries
        .map(|asked| get("/v2/metrics", &[("query", query(asked).to_string())]))
        .into()
}

/// Each write with the ids of the owner's rows.
fn writes() -> Vec<Case> {
    let mark = |name: &str| format!("{MARK}-{name}");
    let observation = |name: &str| json!({ "id": mark(name), "traceId": mark("trace"), "name": "changed" });
    let span = json!({ "traceId": "0123456789abcdef0123456789abcdef", "spanId": "0123456789abcdef", "name": "changed",
        "startTimeUnixNano": "1772704800000000000", "endTimeUnixNano": "1772704801000000000" });
    let mut batch = rows();
    for event in batch["batch"].as_array_mut().expect("events") {
        event["body"]["name"] = "changed".into();
    }
    let id = |name: &str| format!("/{}", mark(name));
    vec![
        write("POST", "/ingestion", "/ingestion", Some(batch)),
        write("POST", "/otel/v1/metrics", "/otel/v1/metrics", Some(json!({}))),
        write(
            "POST",
            "/otel/v1/traces",
            "/otel/v1/traces",
            Some(json!({ "resourceSpans": [{ "resource": {}, "scopeSpans": [{ "scope": {}, "spans": [span] }] }] })),
        ),
        write(
            "POST",
            "/traces",
            "/traces",
            Some(json!({ "id": mark("trace"), "name": "changed" })),
        ),
        write("POST", "/spans", "/spans", Some(observation("span"))),
        write("PATCH", "/spans", "/spans", Some(observation("span"))),
        write("POST", "/generations", "/generations", Some(observation("generation"))),
        write("PATCH", "/generations", "/generations", Some(observation("generation"))),
        write("POST", "/events", "/events", Some(observation("event"))),
        write(
            "POST",
            "/scores",
            "/scores",
            Some(json!({ "id": mark("number"), "name": "changed", "value": 9, "traceId": mark("trace") })),
        ),
        write("DELETE", "/scores/{id}", &format!("/scores{}", id("number")), None),
        write("DELETE", "/traces/{id}", &format!("/traces{}", id("trace")), None),
        write(
            "DELETE",
            "/traces",
            "/traces",
            Some(json!({ "traceIds": [mark("trace")] })),
        ),
    ]
}
