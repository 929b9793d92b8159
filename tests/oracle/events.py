"""What the events of the ingestion route say: from a validated event to a patch, a mapping from column to value.

A column that is absent from a patch was not sent. `None` clears a column. Where a null means "keep", the patch leaves it
out. Written from the description of the protocol, and apart from the product.
"""

import datetime
import decimal
import re

from jsontext import Number, compact, text

KINDS = "agent tool chain retriever evaluator embedding guardrail generation span".split()
TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:?\d\d)\Z")
CENT = decimal.Decimal("1e-12")


def millis(stamp):
    """Milliseconds since 1970 of an ISO time; what is finer is cut off."""
    found = TIME.match(stamp)
    if not found:
        raise ValueError(f"not a time: {stamp!r}")
    whole, fraction, zone = found.groups()
    zone = "+0000" if zone == "Z" else zone.replace(":", "")
    moment = datetime.datetime.strptime(whole + zone, "%Y-%m-%dT%H:%M:%S%z")
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return (moment - epoch) // datetime.timedelta(seconds=1) * 1000 + int(((fraction or "") + "000")[:3])


def money(number):
    """Twelve places, half to even."""
    return decimal.Decimal(number).quantize(CENT, decimal.ROUND_HALF_EVEN)


def metadata(value):
    """The entries of metadata; a scalar or a list is the one entry `metadata`."""
    if value is None:
        return {}
    return value if isinstance(value, dict) else {"metadata": text(value)}


def of_kind(event):
    """Table, and the type of an observation."""
    kind = event["type"]
    if kind == "trace-create":
        return "traces", None
    if kind == "score-create":
        return "scores", None
    word, _, verb = kind.partition("-")
    if kind == "event-create":
        return "observations", "EVENT"
    if word == "observation":
        return "observations", event["body"]["type"]
    if word in KINDS and verb in ("create", "update"):
        return "observations", word.upper()
    return None, None


def patch_of(event):
    """(table, id, order within its entity, patch); `None` where the event is about no row."""
    table, kind = of_kind(event)
    if table is None:
        return None
    body = event["body"]
    at = millis(event["timestamp"])
    make = {"traces": trace, "observations": observation, "scores": score}[table]
    patch = make(body, at, kind)
    if body.get("environment") is not None:
        patch["environment"] = body["environment"].lower()
    patch["metadata"] = metadata(body.get("metadata"))
    identity = body.get("id") or event["id"]
    return table, identity, (at, event["type"].endswith("-update")), patch


def copied(body, names):
    """Values where null clears."""
    return {column: body[name] for name, column in names.items() if name in body}


def kept(body, names, convert=lambda value: value):
    """Values where null keeps."""
    return {column: convert(body[name]) for name, column in names.items() if body.get(name) is not None}


def trace(body, at, _kind):
    patch = copied(
        body, {"name": "name", "userId": "user_id", "sessionId": "session_id", "release": "release", "version": "version"}
    )
    patch |= kept(body, {"input": "input", "output": "output"}, text)
    patch |= kept(body, {"public": "public"})
    patch["timestamp"] = millis(body["timestamp"]) if body.get("timestamp") else at
    patch["tags"] = body.get("tags") or []
    return patch


def observation(body, at, kind):
    patch = copied(body, {"name": "name", "level": "level"})
    texts = {"statusMessage": "status_message", "parentObservationId": "parent_observation_id", "version": "version"}
    patch |= {column: value for column, value in kept(body, texts).items() if value != ""}
    patch |= kept(body, {"input": "input", "output": "output"}, text)
    patch |= kept(body, {"traceId": "trace_id"})
    patch["type"] = kind
    patch["start_time"] = millis(body["startTime"]) if body.get("startTime") else at
    if kind != "EVENT":
        patch |= kept(body, {"endTime": "end_time"}, millis)
    if kind not in ("EVENT", "SPAN"):
        patch |= copied(body, {"model": "provided_model_name"})
        patch |= kept(body, {"completionStartTime": "completion_start_time"}, millis)
        patch |= kept(body, {"modelParameters": "model_parameters"}, compact)
        patch |= used(body)
    return patch


def used(body):
    """The two maps of what a client says that it used and paid."""
    usage = simple_usage(body.get("usage"))
    details = usage_details(body.get("usageDetails"))
    counts = {name: usage.get(name) for name in ("input", "output")}
    given = [count for count in counts.values() if count is not None]
    if usage.get("total"):
        counts["total"] = usage["total"]
    elif not details and given:
        counts["total"] = sum(given)
    counts = {name: count for name, count in counts.items() if count is not None} | details
    cost = {name: usage[f"{name}Cost"] for name in ("input", "output", "total") if usage.get(f"{name}Cost") is not None}
    cost |= cost_details(body.get("costDetails"))
    return {"provided_usage_details": counts, "provided_cost_details": cost}


def simple_usage(usage):
    usage = usage or {}
    if any(name in usage for name in ("promptTokens", "completionTokens", "totalTokens")):
        renamed = {"promptTokens": "input", "completionTokens": "output", "totalTokens": "total"}
        usage = {renamed.get(name, name): value for name, value in usage.items() if name in renamed or name.endswith("Cost")}
    found = {name: int(usage[name]) for name in ("input", "output", "total") if usage.get(name) is not None}
    costs = ("inputCost", "outputCost", "totalCost")
    return found | {name: decimal.Decimal(usage[name]) for name in costs if usage.get(name) is not None}


def usage_details(details):
    details = details or {}
    for first, second in (("prompt_tokens", "completion_tokens"), ("input_tokens", "output_tokens")):
        found = openai_usage(details, first, second)
        if found is not None:
            return found
    found = {}
    for name, value in details.items():
        if isinstance(value, Number):
            number = decimal.Decimal(value)
            if number >= 0 and number == number.to_integral_value():
                found[name] = int(number)
        elif isinstance(value, str) and (digits := re.match(r"\s*[+-]?\d+", value)) and int(digits[0]) >= 0:
            found[name] = int(digits[0])
    return found


def openai_usage(details, first, second):
    """The two forms of OpenAI: what is detailed is taken off the sum. `None`: it is another form."""
    needed = {first, second, "total_tokens"}
    names = set(details)
    if not needed <= names or names - needed - {f"{first}_details", f"{second}_details"}:
        return None
    if not all(isinstance(details[name], Number) for name in needed):
        return None
    found = {"input": int(details[first]), "output": int(details[second]), "total": int(details["total_tokens"])}
    for side, name in (("input", first), ("output", second)):
        for detail, count in (details.get(f"{name}_details") or {}).items():
            if count is not None:
                found[f"{side}_{detail}"] = int(count)
                found[side] = max(0, found[side] - int(count))
    return found


def cost_details(details):
    found = {}
    for name, value in (details or {}).items():
        if isinstance(value, Number) and decimal.Decimal(value) >= 0:
            found[name] = decimal.Decimal(value)
    return found


def score(body, at, _kind):
    patch = copied(
        body,
        {
            "sessionId": "session_id",
            "datasetRunId": "dataset_run_id",
            "observationId": "observation_id",
            "configId": "config_id",
            "comment": "comment",
            "executionTraceId": "execution_trace_id",
        },
    )
    patch |= kept(body, {"traceId": "trace_id"})
    value = body["value"]
    kind = body.get("dataType") or ("NUMERIC" if isinstance(value, Number) else "CATEGORICAL")
    number = isinstance(value, Number)
    if kind == "BOOLEAN":
        word = "True" if float(value) == 1 else "False"
    else:
        word = value if kind == "CATEGORICAL" else None
    return patch | {
        "timestamp": at,
        "name": "output" if kind == "CORRECTION" else body["name"],
        "source": body.get("source") or "API",
        "data_type": kind,
        "value": float(value) if number else 0.0,
        "string_value": word,
        "long_string_value": value if kind == "CORRECTION" else "",
        "queue_id": body.get("queueId"),
    }
