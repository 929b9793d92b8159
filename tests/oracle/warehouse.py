"""Reads rows from ClickHouse over plain HTTP: of each id the newest version, tombstones out."""

import base64
import decimal
import json
import urllib.error
import urllib.parse
import urllib.request

TEXTS = {
    "traces": "name user_id session_id release version environment input output",
    "observations": "trace_id type name environment parent_observation_id level status_message version input output"
    " provided_model_name model_parameters internal_model_id prompt_name",
    "scores": "environment trace_id session_id dataset_run_id observation_id name source comment config_id queue_id"
    " execution_trace_id author_user_id data_type string_value long_string_value",
}
TIMES = {"traces": "timestamp", "observations": "start_time end_time completion_start_time", "scores": "timestamp"}
OTHERS = {
    "traces": "public bookmarked tags metadata",
    "observations": "metadata provided_usage_details usage_details provided_cost_details cost_details total_cost",
    "scores": "value metadata",
}
PLACE = {"traces": "", "observations": "type", "scores": "name"}


class Warehouse:
    """A ClickHouse, at `http://user:password@host:port/?database=name`."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.database = dict(urllib.parse.parse_qsl(parts.query)).get("database", "default")
        self.url = f"{parts.scheme}://{parts.hostname}:{parts.port or 8123}/"
        self.headers = {}
        if parts.username:
            pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
            self.headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()

    def query(self, sql, data=b"", **settings):
        """The answer's lines."""
        settings = {
            "database": self.database,
            "output_format_json_quote_64bit_integers": 1,
            "output_format_json_quote_decimals": 1,
            "http_write_exception_in_output_format": 0,
        } | settings
        target = self.url + "?" + urllib.parse.urlencode(settings | ({"query": sql} if data else {}))
        request = urllib.request.Request(target, data=data or sql.encode(), headers=self.headers)
        try:
            with urllib.request.urlopen(request, timeout=600) as answer:
                yield from answer
        except urllib.error.HTTPError as error:
            raise SystemExit(f"ClickHouse: {error.read().decode(errors='replace').strip()}") from None

    def versions(self, table, project):
        """(id, place, event_ts, is tombstone, row) of every stored version; a place is what ReplacingMergeTree sorts by."""
        time = TIMES[table].split()[0]
        times = ", ".join(f"toUnixTimestamp64Milli({name}) AS {name}_ms" for name in TIMES[table].split())
        columns = ", ".join(f"{table}.{name}" for name in f"{TEXTS[table]} {OTHERS[table]}".split())
        place = f"{table}.{PLACE[table]}" if PLACE[table] else "''"
        sql = (
            f"SELECT id, toString(toDate({time}, 'UTC')) || ' ' || {place} AS row_place, toUnixTimestamp64Milli(event_ts) AS row_version,"
            f" is_deleted, {times}, {columns}, length(mapKeys(metadata)) AS metadata_names"
            f" FROM {table} WHERE project_id = {{project:String}} FORMAT JSONEachRow"
        )
        for line in self.query(sql, param_project=escaped(project)):
            found = json.loads(line)
            head = found.pop("id"), found.pop("row_place"), int(found.pop("row_version")), int(found.pop("is_deleted"))
            yield *head, canonical(table, found)


def escaped(text):
    """A text as ClickHouse reads query parameters."""
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def canonical(table, row):
    """Milliseconds, decimals, numbers, as the oracle has them."""
    for name in TIMES[table].split():
        value = row.pop(f"{name}_ms")
        row[name] = None if value is None else int(value)
    if int(row.pop("metadata_names")) != len(row["metadata"]):
        row["metadata"]["(a name occurs twice)"] = ""
    for name in ("provided_usage_details", "usage_details"):
        if name in row:
            row[name] = {key: int(value) for key, value in row[name].items()}
    for name in ("provided_cost_details", "cost_details"):
        if name in row:
            row[name] = {key: decimal.Decimal(value) for key, value in row[name].items()}
    if row.get("total_cost") is not None:
        row["total_cost"] = decimal.Decimal(row["total_cost"])
    for name in ("public", "bookmarked"):
        if name in row:
            row[name] = row[name] in (True, 1)
    if "value" in row:
        row["value"] = float(row["value"])
    return row


class Newest:
    """Of each id the newest version at each place."""

    def __init__(self):
        self.places = {}
        self.versions = 0
        self.faults = []

    def add(self, identity, place, version, deleted, row):
        self.versions += 1
        places = self.places.setdefault(identity, {})
        held = places.get(place)
        if held is not None and held[0] == version and (held[1], held[2]) != (deleted, row):
            self.faults.append((identity, f"two versions of {version} differ"))
        if held is None or version > held[0] or (version == held[0] and deleted):
            places[place] = (version, deleted, row)

    def rows(self):
        """The living rows by id; what lives at two places at once is a fault."""
        found = {}
        for identity, places in self.places.items():
            alive = {place: held for place, held in places.items() if not held[1]}
            if len(alive) > 1:
                self.faults.append((identity, "lives at " + " and at ".join(sorted(alive))))
            if alive:
                found[identity] = max(alive.values(), key=lambda held: held[0])[2]
        return found


def newest(warehouse, table, project, shorten=lambda row: row):
    """Living rows by id, and what is wrong with the versions."""
    collected = Newest()
    for identity, place, version, deleted, row in warehouse.versions(table, project):
        collected.add(identity, place, version, deleted, shorten(row))
    return collected.rows(), collected
