"""What the spans say that the traffic generator sends as OTLP: scope `langfuse-sdk`, complete spans, root and children.

This is not the whole of OTLP. It knows the attributes that the generator writes.
"""

import json

from events import cost_details, metadata, millis, usage_details
from jsontext import Number, compact, parse, text

WHOLE, PART, STUB = 2, 1, 0


def plain(value):
    """The value of an AnyValue."""
    for name, item in value.items():
        if name == "arrayValue":
            return [plain(one) for one in item.get("values", [])]
        if name == "intValue":
            return Number(item)
        if name == "doubleValue":
            return Number(item)
        return item
    return None


def attributes(entries):
    return {entry["key"]: plain(entry["value"]) for entry in entries or []}


def under(found, prefix):
    return {name[len(prefix) :]: value for name, value in found.items() if name.startswith(prefix)}


def patches_of(request):
    """For each span: (table, id, order, patch) of its observation and of its trace."""
    for group in request["resourceSpans"]:
        resource = attributes(group.get("resource", {}).get("attributes"))
        for scope_spans in group["scopeSpans"]:
            scope = dict(scope_spans.get("scope", {}))
            scope["attributes"] = attributes(scope.get("attributes"))
            tail = {"resourceAttributes": resource, "scope": scope}
            for span in scope_spans["spans"]:
                found = attributes(span.get("attributes"))
                yield observation(span, found, resource, tail)
                yield trace(span, found, resource, tail)


def start(span):
    return int(span["startTimeUnixNano"]) // 1_000_000


def environment(found, resource):
    return (found.get("langfuse.environment") or resource.get("langfuse.environment") or "default").lower()


def observation(span, found, resource, tail):
    kind = found.get("langfuse.observation.type", "span").upper()
    status = span.get("status", {})
    get = lambda name: found.get(f"langfuse.observation.{name}")  # noqa: E731
    level = get("level") or ("ERROR" if int(status.get("code", 0)) == 2 else "DEFAULT")
    patch = {
        "trace_id": span["traceId"],
        "type": kind,
        "name": span["name"],
        "environment": environment(found, resource),
        "parent_observation_id": span.get("parentSpanId") or None,
        "start_time": start(span),
        "end_time": None if kind == "EVENT" else int(span["endTimeUnixNano"]) // 1_000_000,
        "level": level,
        "status_message": get("status_message") or status.get("message") or None,
        "version": found.get("langfuse.version"),
        "metadata": metadata(under(found, "langfuse.observation.metadata.")) | tail,
    }
    patch |= {side: text(get(side)) for side in ("input", "output") if get(side) is not None}
    if kind not in ("SPAN", "EVENT"):
        if get("completion_start_time"):
            patch["completion_start_time"] = millis(get("completion_start_time").strip('"'))
        patch["provided_model_name"] = get("model.name")
        if get("model.parameters"):
            patch["model_parameters"] = compact(parse(get("model.parameters")))
        patch["provided_usage_details"] = usage_details(parse(get("usage_details") or "{}"))
        patch["provided_cost_details"] = cost_details(parse(get("cost_details") or "{}"))
    patch = {column: value for column, value in patch.items() if value is not None}
    return "observations", span["spanId"], (WHOLE, start(span), False), patch


def trace(span, found, resource, tail):
    patch = {"timestamp": start(span), "environment": environment(found, resource)}
    is_root = not span.get("parentSpanId") or found.get("langfuse.internal.as_root") in (True, "true")
    about = under(found, "langfuse.trace.")
    if not is_root and not about and not {"user.id", "session.id"} & found.keys():
        return "traces", span["traceId"], (STUB, start(span), False), patch
    patch |= {
        "name": about.get("name") or (span["name"] if is_root else None),
        "user_id": found.get("user.id"),
        "session_id": found.get("session.id"),
        "version": found.get("langfuse.version"),
        "release": found.get("langfuse.release") or resource.get("langfuse.release"),
        "public": about.get("public"),
        "tags": about.get("tags") or [],
        "metadata": under(found, "langfuse.trace.metadata."),
    }
    for side in ("input", "output"):
        value = about.get(side) or (found.get(f"langfuse.observation.{side}") if is_root else None)
        patch[side] = None if value is None else text(value)
    if is_root:
        patch["metadata"] = patch["metadata"] | under(found, "langfuse.observation.metadata.")
    patch["metadata"] = patch["metadata"] | tail
    patch = {column: value for column, value in patch.items() if value is not None}
    return "traces", span["traceId"], (WHOLE if is_root else PART, start(span), False), patch


def first_times(patches):
    """A trace of spans begins with its first span, whatever arrived first."""
    times = [patch["timestamp"] for patch in patches if "timestamp" in patch]
    return [{"timestamp": min(times)}, *patches] if times else patches


def read(body):
    return json.loads(body)
