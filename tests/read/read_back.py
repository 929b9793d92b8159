"""Reads everything back with the SDK's own API client, and compares it with ClickHouse.

    read_back.py --clickhouse URL --project ID --other PUBLIC:SECRET

Runs on the Python of langfuse 4. The server and its keys are in the environment: TRACEMILL_URL, TRACEMILL_PUBLIC_KEY,
TRACEMILL_SECRET_KEY. The truth is `SELECT ... FINAL`. Prints what was compared; exits with 1 and the first difference.
"""

import argparse
import base64
import collections
import datetime
import json
import os
import urllib.error
import urllib.parse
import urllib.request

from langfuse.api import LangfuseAPI
from langfuse.api.commons import NotFoundError

URL = os.environ["TRACEMILL_URL"]
LIMIT = 37
compared = collections.Counter()


def same(what, found, expected):
    compared[what.split(":")[0]] += 1
    assert found == expected, f"{what}: {str(found)[:400]} is not {str(expected)[:400]}"


def client(public, secret):
    return LangfuseAPI(base_url=URL, username=public, password=secret, x_langfuse_public_key=public, x_langfuse_sdk_name="python", x_langfuse_sdk_version="4", timeout=60)


def plain(path, key):
    """Status and body of a request without the SDK."""
    request = urllib.request.Request(URL + path, headers={"Authorization": "Basic " + base64.b64encode(key.encode()).decode()})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def escaped(text):
    """As ClickHouse reads a parameter: like a field of tab-separated text."""
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


class Truth:
    def __init__(self, url, project):
        self.url, self.project = url, project

    def __call__(self, sql, **params):
        params |= {"project": self.project}
        query = "&".join(f"param_{name}={urllib.parse.quote(escaped(str(value)))}" for name, value in params.items())
        request = urllib.request.Request(f"{self.url}/?{query}", data=(sql + " FORMAT JSONEachRow SETTINGS output_format_json_quote_64bit_integers=0").encode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            return [json.loads(line) for line in answer]

    def ids(self, table, condition="1", order="timestamp DESC, id DESC"):
        rows = self(f"SELECT id FROM {table} FINAL WHERE project_id = {{project:String}} AND is_deleted = 0 AND ({condition}) ORDER BY {order}")
        return [row["id"] for row in rows]


def pages(read):
    """The ids of all pages, which must be full but for the last, and how many there should be."""
    ids, page = [], 1
    while True:
        answer = read(page)
        ids += [one.id for one in answer.data]
        same("meta", (answer.meta.page, answer.meta.limit, answer.meta.total_pages), (page, LIMIT, -(-answer.meta.total_items // LIMIT)))
        if page >= answer.meta.total_pages:
            return ids, answer.meta.total_items
        same("full page", len(answer.data), LIMIT)
        page += 1


def listed(what, read, expected):
    ids, total = pages(lambda page: read(page=page, limit=LIMIT))
    same(what, ids, expected)
    same("total", total, len(expected))


def quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def some(truth, table, column, many=3):
    """A few values that are there, rare ones and frequent ones."""
    rows = truth(f"SELECT toString({column}) AS value, count() AS n FROM {table} FINAL WHERE project_id = {{project:String}} AND is_deleted = 0 AND {column} IS NOT NULL GROUP BY value HAVING value != '' ORDER BY n, value")
    values = [row["value"] for row in rows]
    return values[:many] + values[-1:]


def traces(api, truth):
    everything = truth.ids("traces")
    assert everything, "there is nothing to compare"
    listed("traces", api.trace.list, everything)
    listed("traces by name", lambda **page: api.trace.list(order_by="name.asc", **page), truth.ids("traces", order="name, id"))
    for param, column in (("user_id", "user_id"), ("name", "name"), ("session_id", "session_id"), ("version", "version"), ("release", "release"), ("environment", "environment")):
        for value in some(truth, "traces", column):
            listed(f"traces of {param}: {value}", lambda **page: api.trace.list(**{param: value}, **page), truth.ids("traces", f"{column} = {quoted(value)}"))
    tags = truth("SELECT arrayJoin(tags) AS tag, count() AS n FROM traces FINAL WHERE project_id = {project:String} AND is_deleted = 0 GROUP BY tag HAVING tag != '' ORDER BY n, tag LIMIT 4")
    for tag in [row["tag"] for row in tags]:
        listed(f"traces of tag: {tag}", lambda **page: api.trace.list(tags=tag, **page), truth.ids("traces", f"has(tags, {quoted(tag)})"))
    times = truth("SELECT quantilesExact(0.3, 0.7)(toUnixTimestamp64Milli(timestamp)) AS at FROM traces FINAL WHERE project_id = {project:String} AND is_deleted = 0")[0]["at"]
    begin, end = (datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc) for ms in times)
    span = f"toUnixTimestamp64Milli(timestamp) >= {times[0]} AND toUnixTimestamp64Milli(timestamp) < {times[1]}"
    listed("traces of a span", lambda **page: api.trace.list(from_timestamp=begin, to_timestamp=end, **page), truth.ids("traces", span))
    for one in api.trace.list(limit=5).data:
        same("a list reads no payloads", (one.input, one.output), (None, None))
    for one in api.trace.list(limit=20, fields="core,io,observations,scores,metrics").data:
        trace(api, truth, one)


def in_url(id):
    return urllib.parse.quote(id, safe="")


def payload(text):
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text


def trace(api, truth, listed_one):
    """One trace against its rows, and against itself in the list."""
    # Its URLs hold ids as they are: what is odd in them is for the caller to quote.
    whole = api.trace.get(in_url(listed_one.id))
    row = truth("SELECT *, toUnixTimestamp64Milli(timestamp) AS at FROM traces FINAL WHERE project_id = {project:String} AND id = {id:String}", id=whole.id)[0]
    same("name", whole.name or "", row["name"])
    same("texts", (whole.user_id, whole.session_id, whole.release, whole.version, whole.environment), tuple(row[name] for name in ("user_id", "session_id", "release", "version", "environment")))
    same("tags", (whole.tags, whole.public), (row["tags"], bool(row["public"])))
    same("time", round(whole.timestamp.timestamp() * 1000), row["at"])
    same("payloads", (whole.input, whole.output), (payload(row["input"]), payload(row["output"])))
    same("metadata", whole.metadata, {name: payload(text) for name, text in row["metadata"].items()})
    of_trace = f"trace_id = {quoted(whole.id)}"
    observations = truth.ids("observations", of_trace, "start_time, id")
    same("observations of a trace", [one.id for one in whole.observations], observations)
    same("scores of a trace", sorted(one.id for one in whole.scores), sorted(truth.ids("scores", of_trace)))
    same("of the list", (sorted(listed_one.observations), sorted(listed_one.scores)), (sorted(observations), sorted(one.id for one in whole.scores)))
    same("of the list", (listed_one.total_cost, listed_one.latency), (whole.total_cost, whole.latency))
    same("of the list", (listed_one.input, listed_one.metadata), (whole.input, whole.metadata))
    cost = truth("SELECT toFloat64(sum(total_cost)) AS cost FROM observations FINAL WHERE project_id = {project:String} AND is_deleted = 0 AND trace_id = {id:String}", id=whole.id)[0]["cost"] or 0
    assert abs(whole.total_cost - cost) < 1e-9, (whole.total_cost, cost)
    for one in whole.observations[:5]:
        observation(api, truth, one.id)
    for one in whole.scores[:3]:
        row = truth("SELECT * FROM scores FINAL WHERE project_id = {project:String} AND id = {id:String}", id=one.id)[0]
        got = api.scores.get_by_id(in_url(one.id))
        same("score", (got.name, got.data_type, got.trace_id, got.comment, got.source), tuple(row[name] for name in ("name", "data_type", "trace_id", "comment", "source")))


def observation(api, truth, id):
    got = api.legacy.observations_v1.get(in_url(id))
    row = truth("SELECT * FROM observations FINAL WHERE project_id = {project:String} AND id = {id:String}", id=id)[0]
    same("observation", (got.name or "", got.type, got.level, got.parent_observation_id, got.model, got.status_message), tuple(row[name] for name in ("name", "type", "level", "parent_observation_id", "provided_model_name", "status_message")))
    same("usage", got.usage_details, row["usage_details"])
    same("cost", {name: round(value, 9) for name, value in got.cost_details.items()}, {name: round(float(value), 9) for name, value in row["cost_details"].items()})
    same("payloads", (got.input, got.output), (payload(row["input"]), payload(row["output"])))


def observations(api, truth):
    order = "start_time DESC, id DESC"
    read = api.legacy.observations_v1.get_many
    listed("observations", read, truth.ids("observations", order=order))
    for param, column in (("name", "name"), ("type", "type"), ("trace_id", "trace_id"), ("level", "level"), ("parent_observation_id", "parent_observation_id"), ("version", "version"), ("environment", "environment")):
        for value in some(truth, "observations", column, 2):
            listed(f"observations of {param}: {value}", lambda **page: read(**{param: value}, **page), truth.ids("observations", f"{column} = {quoted(value)}", order))
    for value in some(truth, "traces", "user_id", 1):
        condition = f"trace_id IN (SELECT id FROM traces FINAL WHERE project_id = {quoted(truth.project)} AND is_deleted = 0 AND user_id = {quoted(value)})"
        listed(f"observations of a user: {value}", lambda **page: read(user_id=value, **page), truth.ids("observations", condition, order))


def scores(api, truth):
    read = api.scores.get_many
    listed("scores", read, truth.ids("scores"))
    for param, column in (("name", "name"), ("source", "source"), ("data_type", "data_type"), ("trace_id", "trace_id"), ("environment", "environment")):
        for value in some(truth, "scores", column, 2):
            listed(f"scores of {param}: {value}", lambda **page: read(**{param: value}, **page), truth.ids("scores", f"{column} = {quoted(value)}"))
    listed("scores by value", lambda **page: read(operator=">=", value=0.5, **page), truth.ids("scores", "value >= 0.5"))


def sessions(api, truth):
    rows = truth("SELECT session_id AS id, min(timestamp) AS begun FROM traces FINAL WHERE project_id = {project:String} AND is_deleted = 0 AND session_id != '' GROUP BY id ORDER BY begun DESC, id")
    listed("sessions", api.sessions.list, [row["id"] for row in rows])
    for row in rows[:5]:
        got = api.sessions.get(in_url(row["id"]))
        same("session", [one.id for one in got.traces], truth.ids("traces", f"session_id = {quoted(row['id'])}"))


def daily(key, truth):
    status, answer = plain("/api/public/metrics/daily?limit=100", key)
    assert status == 200, answer
    found = {day["date"]: (day["countTraces"], day["countObservations"]) for day in answer["data"]}
    expected = collections.defaultdict(lambda: [0, 0])
    for at, (table, time) in enumerate((("traces", "timestamp"), ("observations", "start_time"))):
        for row in truth(f"SELECT toString(toDate({time})) AS day, count() AS n FROM {table} FINAL WHERE project_id = {{project:String}} AND is_deleted = 0 GROUP BY day"):
            expected[row["day"]][at] = row["n"]
    same("daily", found, {day: tuple(counts) for day, counts in expected.items()})
    cost = truth("SELECT toFloat64(sum(total_cost)) AS cost FROM observations FINAL WHERE project_id = {project:String} AND is_deleted = 0")[0]["cost"]
    assert abs(sum(day["totalCost"] for day in answer["data"]) - cost) < 1e-6


def foreign(other, truth):
    """A key of another project sees nothing of this one, whatever it asks for."""
    key = f"{other[0]}:{other[1]}"
    trace_id, observation_id, score_id = truth.ids("traces")[0], truth.ids("observations", order="id")[0], truth.ids("scores")[0]
    session = some(truth, "traces", "session_id", 1)[0]
    api = client(*other)
    for read in (lambda: api.trace.get(in_url(trace_id)), lambda: api.sessions.get(in_url(session)), lambda: api.legacy.observations_v1.get(in_url(observation_id)), lambda: api.scores.get_by_id(in_url(score_id))):
        try:
            found = read()
        except NotFoundError:
            compared["of another project"] += 1
        else:
            raise AssertionError(f"another project's row: {found}")
    for path in (f"traces?sessionId={in_url(session)}", "traces", f"observations?traceId={in_url(trace_id)}", f"scores?traceId={in_url(trace_id)}", f"v2/scores?traceId={in_url(trace_id)}", f"v2/scores?scoreIds={in_url(score_id)}", "sessions", "metrics/daily"):
        status, answer = plain(f"/api/public/{path}", key)
        assert status == 200, (path, status, answer)
        same("of another project", answer["data"], [])
    same("no key", plain("/api/public/traces", "nobody:nothing")[0], 401)


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--clickhouse", required=True)
    options.add_argument("--project", required=True)
    options.add_argument("--other", required=True)
    options = options.parse_args()
    public, secret = os.environ["TRACEMILL_PUBLIC_KEY"], os.environ["TRACEMILL_SECRET_KEY"]
    api, truth = client(public, secret), Truth(options.clickhouse, options.project)
    traces(api, truth)
    observations(api, truth)
    scores(api, truth)
    sessions(api, truth)
    daily(f"{public}:{secret}", truth)
    foreign(options.other.split(":"), truth)
    status, answer = plain("/api/public/traces?limit=0&page=x&fromTimestamp=soon&orderBy=input.asc", f"{public}:{secret}")
    same("faults", (status, len(answer["errors"])), (400, 4))
    print(json.dumps(compared))


if __name__ == "__main__":
    main()
