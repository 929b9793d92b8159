"""Compares the fields of every answer with the SDK's own models, in both directions, and with the document of the API.

    shapes.py MARK

Runs on the Python of langfuse 4, on a project that has one of everything, all of whose ids begin with MARK. Types are strict: a
text is no number. A field that the models do not have, or that an answer leaves out, is a difference unless it is listed here
with its reason. Prints what was compared; exits with 1 and every difference.
"""

import base64
import collections
import json
import os
import sys
import urllib.parse
import urllib.request

import pydantic
from langfuse.api.commons import ObservationsView, Score, SessionWithTraces, TraceWithFullDetails
from langfuse.api.core.serialization import convert_and_respect_annotation_metadata
from langfuse.api.health import HealthResponse
from langfuse.api.legacy.metrics_v1 import MetricsResponse
from langfuse.api.legacy.observations_v1 import ObservationsViews
from langfuse.api.metrics import MetricsV2Response
from langfuse.api.observations import ObservationsV2Response
from langfuse.api.projects import Projects
from langfuse.api.scores import GetScoresResponse
from langfuse.api.scores_v3 import GetScoresV3Response
from langfuse.api.sessions import PaginatedSessions
from langfuse.api.trace import Traces

URL = os.environ["TRACEMILL_URL"]
KEY = base64.b64encode(f"{os.environ['TRACEMILL_PUBLIC_KEY']}:{os.environ['TRACEMILL_SECRET_KEY']}".encode()).decode()
BASE = "/api/public"

# The API's answers have these; the SDK's models, which take any field, do not name them.
BESIDE_THE_MODELS = {
    "Trace": {"projectId", "bookmarked", "createdAt", "updatedAt", "externalId"},
    "TraceWithDetails": {"projectId", "bookmarked", "createdAt", "updatedAt", "externalId"},
    "TraceWithFullDetails": {"projectId", "bookmarked", "createdAt", "updatedAt", "externalId"},
    "ObservationsView": {"projectId", "createdAt", "updatedAt", "unit", "promptTokens", "completionTokens", "totalTokens"},
    # Models of a kind of score do not name what only other kinds have.
    "Score": {"projectId", "executionTraceId", "traceId", "sessionId", "observationId", "datasetRunId", "stringValue", "value"},
}
# Notices of Langfuse's own cloud about its own versions.
LEFT_OUT = {"deprecation"}
# Told where they are asked for.
WHERE_ASKED_FOR = {"GetScoresV3Meta": {"cursor"}, "ObservationsV2Meta": {"cursor"}}

compared = collections.Counter()
faults = []


def ask(path):
    request = urllib.request.Request(URL + path, headers={"Authorization": f"Basic {KEY}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def models(value):
    """Every model within a parsed answer."""
    if isinstance(value, pydantic.BaseModel):
        yield value
        for name in value.model_fields_set:
            yield from models(getattr(value, name))
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from models(one)


def kind(model):
    name = type(model).__name__
    return "Score" if "Score" in name and "data_type" in type(model).model_fields and "V3" not in name else name


def same(route, model, path, groups=False, but=()):
    """The answer of a route is a `model`. `groups`: of fields, of which not all were asked for. `but`: left out on purpose."""
    answer = ask(path)
    plain = convert_and_respect_annotation_metadata(object_=answer, annotation=model, direction="read")
    try:
        parsed = pydantic.TypeAdapter(model).validate_json(json.dumps(plain), strict=True)
    except pydantic.ValidationError as error:
        faults.append(f"{path}: {error}")
        return
    compared[route] += 1
    for one in models(parsed):
        name = kind(one)
        extra = set(one.model_extra or {}) - BESIDE_THE_MODELS.get(name, set())
        missing = set(type(one).model_fields) - one.model_fields_set - LEFT_OUT - WHERE_ASKED_FOR.get(name, set()) - set(but)
        compared[name] += 1
        if extra:
            faults.append(f"{path}: {name} has more than the model: {sorted(extra)}")
        if missing and not groups:
            faults.append(f"{path}: {name} leaves out {sorted(missing)}")


def main():
    mark = sys.argv[1]
    quoted = lambda name: urllib.parse.quote(f"{mark}-{name}", safe="")
    described = {path for path, methods in ask(f"{BASE}/openapi.json")["paths"].items() if "get" in methods}
    same("/health", HealthResponse, f"{BASE}/health")
    same("/ready", HealthResponse, f"{BASE}/ready")
    # No retention is configured, so it is omitted.
    same("/projects", Projects, f"{BASE}/projects", but={"retention_days"})
    same("/traces", Traces, f"{BASE}/traces?fields=core,io,observations,scores,metrics")
    same("/traces", Traces, f"{BASE}/traces")
    same("/traces", Traces, f"{BASE}/traces?fields=core")
    same("/traces/{id}", TraceWithFullDetails, f"{BASE}/traces/{quoted('trace')}")
    same("/observations", ObservationsViews, f"{BASE}/observations?fields=io")
    same("/observations", ObservationsViews, f"{BASE}/observations")
    same("/observations/{id}", ObservationsView, f"{BASE}/observations/{quoted('generation')}")
    groups = "core,basic,time,io,metadata,model,usage,prompt,metrics,trace_context"
    same("/v2/observations", ObservationsV2Response, f"{BASE}/v2/observations?fields={groups}")
    same("/v2/observations", ObservationsV2Response, f"{BASE}/v2/observations?limit=1", groups=True)
    for group in groups.split(","):
        same("/v2/observations", ObservationsV2Response, f"{BASE}/v2/observations?fields={group}", groups=True)
    same("/scores", GetScoresResponse, f"{BASE}/scores")
    same("/scores/{id}", Score, f"{BASE}/scores/{quoted('number')}")
    same("/v2/scores", GetScoresResponse, f"{BASE}/v2/scores")
    for name in ("number", "category", "truth", "of-generation", "of-session"):
        same("/v2/scores/{id}", Score, f"{BASE}/v2/scores/{quoted(name)}")
    same("/v3/scores", GetScoresV3Response, f"{BASE}/v3/scores?fields=details,subject,annotation")
    same("/v3/scores", GetScoresV3Response, f"{BASE}/v3/scores?limit=2", groups=True)
    same("/sessions", PaginatedSessions, f"{BASE}/sessions")
    same("/sessions/{id}", SessionWithTraces, f"{BASE}/sessions/{quoted('session')}?fields=io")
    query = {"view": "observations", "metrics": [{"measure": "latency", "aggregation": "histogram"}], "dimensions": [{"field": "type"}], "fromTimestamp": "2026-03-05T00:00:00Z", "toTimestamp": "2026-03-06T00:00:00Z"}
    same("/v2/metrics", MetricsV2Response, f"{BASE}/v2/metrics?query={urllib.parse.quote(json.dumps(query))}")
    daily()
    # The SDK has no model of the document itself.
    tried = {f"{BASE}{route}" for route in compared if route.startswith("/")} | {f"{BASE}/openapi.json"}
    if tried != described:
        faults.append(f"not compared: {sorted(described - tried)}, not described: {sorted(tried - described)}")
    values()
    print(json.dumps(compared))
    if faults:
        sys.exit("\n".join(faults))


def daily():
    """Version 4 of the SDK has no model of it any more; these are the fields that those before had."""
    answer = ask(f"{BASE}/metrics/daily")
    compared["/metrics/daily"] += 1
    day = {"date", "countTraces", "countObservations", "totalCost", "usage"}
    usage = {"model", "inputUsage", "outputUsage", "totalUsage", "totalCost", "countObservations", "countTraces"}
    for one in answer["data"]:
        if set(one) != day or any(set(own) != usage for own in one["usage"]):
            faults.append(f"metrics/daily: {one}")


def metrics(view, measure, aggregation, dimensions=(), filters=(), **more):
    query = {"view": view, "metrics": [{"measure": measure, "aggregation": aggregation}], "dimensions": [{"field": field} for field in dimensions], "filters": list(filters), "fromTimestamp": "2026-03-05T00:00:00Z", "toTimestamp": "2026-03-06T00:00:00Z"} | more
    rows = ask(f"{BASE}/v2/metrics?query={urllib.parse.quote(json.dumps(query))}")["data"]
    compared["totals"] += 1
    return rows


def equal(what, found, expected):
    compared["values"] += 1
    if found != expected:
        faults.append(f"{what}: {found} is not {expected}")


def values():
    """What is known of the one trace: 7 s of span, 4 s of generation, 30 tokens for 0.75."""
    mark = sys.argv[1]
    equal("count", metrics("observations", "count", "count"), [{"count_count": 2}])
    equal("cost by model", metrics("observations", "totalCost", "sum", ["providedModelName"]), [{"providedModelName": f"{mark}-model", "sum_totalCost": 0.75}, {"providedModelName": None, "sum_totalCost": None}])
    root = {"type": "boolean", "column": "isRootObservation", "operator": "=", "value": False}
    equal("latency", metrics("observations", "latency", "max", filters=[root]), [{"max_latency": 4000}])
    for measure, expected in (("inputTokens", 10), ("outputTokens", 20), ("totalTokens", 30), ("inputCost", 0.25), ("outputCost", 0.5), ("timeToFirstToken", 1000), ("streamingLatency", 3000), ("outputTokensPerSecond", 5), ("tokensPerSecond", 7.5), ("countScores", 1)):
        equal(measure, metrics("observations", measure, "sum", filters=[root]), [{f"sum_{measure}": expected}])
    equal("of the trace", metrics("observations", "count", "sum", ["traceName", "tags", "release", "traceVersion"]), [{"traceName": f"{mark}-trace", "tags": [f"{mark}-more", f"{mark}-tag"], "release": f"{mark}-release", "traceVersion": f"{mark}-version", "sum_count": 2}])
    equal("by day", metrics("observations", "count", "count", timeDimension={"granularity": "day"}), [{"time_dimension": "2026-03-05T00:00:00.000Z", "count_count": 2}])
    equal("by month", metrics("observations", "count", "count", ["isRootObservation"], timeDimension={"granularity": "month"}, orderBy=[{"field": "isRootObservation", "direction": "desc"}]), [{"time_dimension": "2026-03-01T00:00:00.000Z", "isRootObservation": is_root, "count_count": 1} for is_root in (True, False)])
    equal("scores", metrics("scores-numeric", "value", "avg", ["name"], orderBy=[{"field": "avg_value", "direction": "asc"}], config={"row_limit": 2}), [{"name": f"{mark}-number", "avg_value": 0.5}, {"name": f"{mark}-of-generation", "avg_value": 0.75}])
    equal("truth", metrics("scores-boolean", "value", "avg", ["booleanValue"]), [{"booleanValue": True, "avg_value": 1}])
    equal("categories", metrics("scores-categorical", "count", "count", ["stringValue"]), [{"stringValue": f"{mark}-good", "count_count": 1}])
    equal("of the observation", metrics("scores-numeric", "count", "count", ["observationName", "observationPromptVersion"], [{"type": "string", "column": "observationName", "operator": "starts with", "value": mark}]), [{"observationName": f"{mark}-generation", "observationPromptVersion": 3, "count_count": 1}])
    followed()
    conditions(mark)


def followed():
    """Pages that follow on each other tell everything once, in order."""
    for path in ("v2/observations", "v3/scores"):
        everything = [one["id"] for one in ask(f"{BASE}/{path}")["data"]]
        found, cursor = [], ""
        while cursor is not None:
            answer = ask(f"{BASE}/{path}?limit=1&cursor={cursor}")
            found += [one["id"] for one in answer["data"]]
            cursor = answer["meta"].get("cursor")
        equal(path, found, everything)
        equal(f"{path}: there are some", len(found) > 1, True)


def conditions(mark):
    """Each kind of condition, with one that holds and one that does not."""
    for path, kind, column, holds, holds_not, key in (
        ("traces", "number", "latency", (">=", 7), (">", 7), None),
        ("traces", "number", "totalTokens", ("=", 30), ("<", 30), None),
        ("traces", "number", "totalCost", ("=", 0.75), (">", 0.75), None),
        ("traces", "string", "level", ("=", "WARNING"), ("=", "ERROR"), None),
        ("traces", "number", "warningCount", ("=", 1), ("=", 0), None),
        ("traces", "numberObject", "scores_avg", (">", 0.4), (">", 0.6), "number"),
        ("traces", "categoryOptions", "score_categories", ("any of", [f"{mark}-good"]), ("none of", [f"{mark}-good"]), "category"),
        ("traces", "booleanObject", "score_booleans", ("=", True), ("<>", True), "truth"),
        ("traces", "booleanObject", "score_booleans", ("<>", True), ("=", False), "absent"),
        ("traces", "stringObject", "metadata", ("contains", "value"), ("does not contain", "value"), "key"),
        ("traces", "stringObject", "metadata", ("is set", None), ("is not set", None), "key"),
        ("traces", "datetime", "timestamp", ("<=", "2026-03-05T10:00:00Z"), ("<", "2026-03-05T10:00:00Z"), None),
        ("traces", "boolean", "bookmarked", ("=", False), ("<>", False), None),
        ("v2/observations", "number", "latency", ("=", 4), (">", 7), None),
        ("v2/observations", "stringOptions", "level", ("any of", ["WARNING"]), ("none of", ["WARNING", "DEFAULT"]), None),
        ("v2/observations", "string", "output", ("matches", f"{mark}-OUT"), ("=", "out"), None),
        ("v2/observations", "null", "statusMessage", ("is not null", None), None, None),
        ("v2/observations", "arrayOptions", "traceTags", ("any of", [f"{mark}-tag", "x"]), ("none of", [f"{mark}-tag"]), None),
        ("observations", "string", "model", ("ends with", "-model"), ("starts with", "-model"), None),
        ("v2/scores", "string", "stringValue", ("contains", "good"), ("=", "good"), None),
        ("v2/scores", "number", "value", ("=", 0.75), (">", 2), None),
        ("v2/scores", "string", "observationName", ("=", f"{mark}-generation"), ("=", "other"), None),
    ):
        for condition, expected in ((holds, True), (holds_not, False)):
            if condition:
                operator, value = condition
                found = {"type": kind, "column": column, "operator": operator, "value": value} | ({"key": f"{mark}-{key}"} if key else {})
                answer = ask(f"{BASE}/{path}?filter={urllib.parse.quote(json.dumps([found]))}")
                equal(f"{path} with {found}", bool(answer["data"]), expected)


if __name__ == "__main__":
    main()
