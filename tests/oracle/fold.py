"""From the patches of an entity, in their order, to its row."""

import decimal
import hashlib

from events import money
from jsontext import text

LONG = 4096

# Columns that keep what was there first.
FIRST = {"timestamp", "start_time", "trace_id", "environment"}
EMPTY = {
    "traces": {
        "name": "", "user_id": None, "session_id": None, "release": None, "version": None, "environment": "default",
        "public": False, "bookmarked": False, "tags": [], "input": None, "output": None, "metadata": {},
    },
    "observations": {
        "trace_id": "", "name": "", "environment": "default", "parent_observation_id": None, "end_time": None,
        "completion_start_time": None, "level": "DEFAULT", "status_message": None, "version": None, "input": None,
        "output": None, "provided_model_name": None, "model_parameters": None, "provided_usage_details": {},
        "usage_details": {}, "provided_cost_details": {}, "cost_details": {}, "total_cost": None, "metadata": {},
    },
    "scores": {
        "environment": "default", "trace_id": None, "session_id": None, "dataset_run_id": None, "observation_id": None,
        "comment": None, "config_id": None, "queue_id": None, "execution_trace_id": None, "author_user_id": None,
        "string_value": None, "long_string_value": "", "metadata": {},
    },
}  # fmt: skip


def merged(old, new):
    """Objects merge name by name, lists place by place, anything else is replaced."""
    if isinstance(old, dict) and isinstance(new, dict):
        return old | {name: merged(old.get(name), value) for name, value in new.items()}
    if isinstance(old, list) and isinstance(new, list):
        both = [merged(*pair) for pair in zip(old, new, strict=False)]
        return both + (old[len(new) :] or new[len(old) :])
    return new


def digest(value):
    """A long text by its hash, so that many rows fit into memory."""
    if isinstance(value, str) and len(value) > LONG:
        return f"sha256:{hashlib.sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()}:{len(value)}"
    return value


def row_of(table, patches):
    """The row that the patches give, which come in their order."""
    row = {"tags": []} if table == "traces" else {}
    metadata = {}
    for patch in patches:
        for column, value in patch.items():
            if column == "metadata":
                metadata = merged(metadata, value)
            elif column == "tags":
                row["tags"] = row["tags"] + value
            elif value in ({}, []) or (column in FIRST and row.get(column) is not None):
                continue
            else:
                row[column] = value
    row["metadata"] = {name: text(value) for name, value in metadata.items()}
    return finished(table, row)


def finished(table, row):
    """Defaults of columns, and what is computed from the others."""
    row = EMPTY[table] | row
    if table == "scores":
        return row
    row["name"] = row["name"] or ""
    row["input"], row["output"] = digest(row["input"]), digest(row["output"])
    if table == "traces":
        row["tags"] = sorted(set(row["tags"]), key=lambda tag: tag.encode("utf-16-be", "surrogatepass"))
        return row
    row["level"] = row["level"] or "DEFAULT"
    if row["end_time"] is not None:
        row["end_time"] = max(row["start_time"], row["end_time"])
    usage = {name: count for name, count in row["provided_usage_details"].items() if count >= 0}
    row["provided_usage_details"] = usage
    row["usage_details"] = usage | {"total": sum(usage.values())} if usage and "total" not in usage else usage
    return row | paid(row["provided_cost_details"])


def paid(provided):
    """What it cost, where the client says so. Prices of models are none of this oracle's business."""
    cost = dict(provided)
    total = cost.get("total")
    if total is None and cost and cost.keys() <= {"input", "output"}:
        total = sum(cost.values(), decimal.Decimal(0))
        cost["total"] = total
    return {
        "provided_cost_details": {name: money(value) for name, value in provided.items()},
        "cost_details": {name: money(value) for name, value in cost.items()},
        "total_cost": None if total is None else money(total),
    }
