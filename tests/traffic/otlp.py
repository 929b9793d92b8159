"""OTLP/JSON requests as protobuf: just the fields that the generator writes."""

import struct


def varint(number):
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def text(number, value):
    return field(number, value.encode()) if value else b""


def any_value(value):
    ((name, item),) = value.items()
    if name == "stringValue":
        return field(1, item.encode())
    if name == "boolValue":
        return b"\x10" + varint(int(item))
    if name == "intValue":
        return b"\x18" + varint(int(item))
    if name == "doubleValue":
        return b"\x21" + struct.pack("<d", float(item))
    return field(5, b"".join(field(1, any_value(one)) for one in item.get("values", [])))


def attributes(number, entries):
    return b"".join(
        field(number, text(1, entry["key"]) + field(2, any_value(entry["value"]))) for entry in entries or []
    )


def span(one):
    status = one.get("status", {})
    coded = text(2, status.get("message")) + (b"\x18" + varint(status["code"]) if status.get("code") else b"")
    return (
        field(1, bytes.fromhex(one["traceId"]))
        + field(2, bytes.fromhex(one["spanId"]))
        + field(4, bytes.fromhex(one.get("parentSpanId", "")))
        + text(5, one["name"])
        + b"\x30\x01"
        + b"\x39"
        + struct.pack("<Q", int(one["startTimeUnixNano"]))
        + b"\x41"
        + struct.pack("<Q", int(one["endTimeUnixNano"]))
        + attributes(9, one.get("attributes"))
        + field(15, coded)
    )


def request(body):
    """An ExportTraceServiceRequest."""
    groups = []
    for group in body["resourceSpans"]:
        scopes = b""
        for scope_spans in group["scopeSpans"]:
            scope = scope_spans["scope"]
            named = field(1, text(1, scope["name"]) + text(2, scope["version"]))
            scopes += field(2, named + b"".join(field(2, span(one)) for one in scope_spans["spans"]))
        groups.append(field(1, field(1, attributes(1, group["resource"]["attributes"])) + scopes))
    return b"".join(groups)
