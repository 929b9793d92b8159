"""Bad requests, and the answer that each must get. Good events travel beside the bad ones, and must be taken."""

import gzip
import json
import zlib

import otlp
from http_post import Sender
from plan import iso, otlp_request

INGESTION, TRACES, SCORES = "/api/public/ingestion", "/api/public/otel/v1/traces", "/api/public/scores"
LIMIT = 4_718_592  # bytes of a request to the ingestion route
JSON, PROTOBUF = "application/json", "application/x-protobuf"
STAMP = iso(0)


class Case:
    """A request, the statuses that are right, and of a batch the ids that must be taken and refused."""

    def __init__(self, name, path, body, statuses, taken=None, refused=None, method="POST", headers=None, **more):
        self.name, self.path, self.method = name, path, method
        self.body = body if isinstance(body, bytes) or body is None else json.dumps(body, ensure_ascii=False).encode()
        self.statuses = {statuses} if isinstance(statuses, int) else set(statuses)
        self.taken, self.refused = taken, refused
        self.headers = {"Content-Type": JSON} | (headers or {})
        self.authorized = more.get("authorized", True)
        # Of an OTLP request that is taken: its spans as JSON, for the journal.
        self.spans = more.get("spans")


def trace(identity, event=None, **body):
    return {"id": event or f"e-{identity}", "type": "trace-create", "timestamp": STAMP, "body": {"id": identity, **body}}


def envelopes(seed):
    """Batches in which single events are wrong."""
    good = trace(f"{seed}-good", name="good")
    taken = [good["id"]]

    def one(name, event, refused):
        kept = {**trace(f"{seed}-{name}", name="good"), "id": f"e-{seed}-{name}"}
        return Case(f"event: {name}", INGESTION, {"batch": [kept, event, good]}, 207, [kept["id"], *taken], [refused])

    body = {"id": f"{seed}-x"}
    yield one("no type", {"id": "b1", "timestamp": STAMP, "body": body}, "b1")
    yield one("unknown type", {"id": "b2", "type": "nonsense-create", "timestamp": STAMP, "body": body}, "b2")
    yield one("no body", {"id": "b3", "type": "trace-create", "timestamp": STAMP}, "b3")
    yield one("body of another type", {"id": "b4", "type": "trace-create", "timestamp": STAMP, "body": [1]}, "b4")
    yield one("no id", {"type": "trace-create", "timestamp": STAMP, "body": body}, "unknown")
    yield one("id is a number", {"id": 5, "type": "trace-create", "timestamp": STAMP, "body": body}, "unknown")
    yield one("empty id", {"id": "", "type": "trace-create", "timestamp": STAMP, "body": body}, "")
    yield one("return in the id", trace("x", event="b\r5"), "b\r5")
    yield one("return in the body id", trace("x\ry", event="b6"), "b6")
    yield one("id of 801", trace("x", event="i" * 801), "i" * 801)
    yield one("body id of 801", trace("i" * 801, event="b7"), "b7")
    yield one("body id of 401 astral characters", trace("🙂" * 401, event="b8"), "b8")
    yield one("null", None, "unknown")
    yield one("a number", 7, "unknown")
    yield one("a list", [[]], "unknown")
    for number, stamp in enumerate(
        ("yesterday", "2026-02-30T00:00:00Z", "2026-03-01T00:00:00", "2026-03-01 00:00:00Z", "2026-03-01T24:00:01Z", 5, None)
    ):
        yield one(f"time {stamp}", {**trace("x", event=f"t{number}"), "timestamp": stamp}, f"t{number}")
    for number, wrong in enumerate(
        (
            {"name": 5}, {"name": "n" * 1001}, {"tags": "a"}, {"tags": [1]}, {"public": "yes"}, {"environment": None},
            {"environment": "langfuse-x"}, {"environment": ".no"}, {"environment": "e" * 41}, {"timestamp": "x"}, {"userId": {}},
        )
    ):  # fmt: skip
        yield one(f"trace with {json.dumps(wrong)[:40]}", trace("x", event=f"w{number}", **wrong), f"w{number}")
    for number, wrong in enumerate(
        (
            {"usage": {"input": 1.5}}, {"usage": {"input": "1"}}, {"usage": []}, {"level": "FATAL"}, {"startTime": 5},
            {"modelParameters": {"a": {"b": {}}}}, {"promptName": "p"}, {"promptVersion": 1}, {"usageDetails": [1]}, {"id": None},
        )
    ):  # fmt: skip
        event = {"id": f"g{number}", "type": "generation-create", "timestamp": STAMP, "body": {"id": f"{seed}-g", **wrong}}
        yield one(f"generation with {json.dumps(wrong)}", event, f"g{number}")
    for number, wrong in enumerate(
        (
            {"value": None}, {"value": True}, {"value": 2, "dataType": "BOOLEAN"}, {"value": "x", "dataType": "NUMERIC"},
            {"value": 1, "dataType": "CATEGORICAL"}, {"value": 1, "dataType": None}, {"value": 1, "name": ""},
            {"value": 1, "traceId": None}, {"value": 1, "sessionId": "s"}, {"value": 1, "source": "OTHER"},
        )
    ):  # fmt: skip
        body = {"id": f"{seed}-s", "name": "n", "traceId": "t", **wrong}
        event = {"id": f"s{number}", "type": "score-create", "timestamp": STAMP, "body": body}
        yield one(f"score with {json.dumps(wrong)}", event, f"s{number}")


def odd_but_right(seed):
    """Odd events that are to be taken."""
    for number, name in enumerate(("a/b", "../c", "\x01\x1f\x7f", "tab\tline\n", "%2e%2e", "日本🙂", "i" * 790, "\u200b", "'\"\\")):
        event = trace(f"{name}-{seed}"[:800], event=f"o{number}-{seed}/{name}"[:800], name=f"odd {number}")
        yield Case(f"id {name[:20]!r}", INGESTION, {"batch": [event]}, 207, [event["id"]], [])
    twice = trace(f"{seed}-twice", name="same")
    yield Case("an id twice", INGESTION, {"batch": [twice, twice]}, 207, [twice["id"]] * 2, [])
    yield Case("the same again", INGESTION, {"batch": [twice]}, 207, [twice["id"]], [])
    yield Case("a name twice in an object", INGESTION, doubled(seed), 207, [f"e-{seed}-doubled"], [])
    yield Case("no events", INGESTION, {"batch": []}, 207, [], [])
    yield Case("half a surrogate pair", INGESTION, half(seed), 207, [f"e-{seed}-half"], [])
    yield Case("OTLP of nothing", TRACES, b"", 200, headers={"Content-Type": PROTOBUF})
    yield Case("OTLP without spans", TRACES, {"resourceSpans": []}, 200)
    for body in (b"{}", b"[]", b"5", b'{"resourceSpans": 5}', b'{"resourceSpans": null}', b'{"resource_spans": [{}]}'):
        yield Case(f"OTLP of {body.decode()}", TRACES, body, 200)
    # Its spans are taken, with U+FFFD for what is no UTF-8.
    broken = json.dumps(otlp_request([span(seed, "name BROKEN")])).encode().replace(b"BROKEN", b"\xff\xfe\x80")
    yield Case("OTLP: invalid UTF-8", TRACES, broken, 200, spans=broken.decode(errors="replace"))


def span(seed, name):
    number = zlib.crc32(f"{seed}/{name}".encode())
    return {
        "traceId": f"{number:032x}", "spanId": f"{number:016x}", "name": name, "attributes": [],
        "startTimeUnixNano": "1772323200000000000", "endTimeUnixNano": "1772323200000000000",
    }  # fmt: skip


def doubled(seed):
    return json.dumps({"batch": [trace(f"{seed}-doubled")]}).replace('"body": {', '"body": {"name": "first", "name": "last", ').encode()


def half(seed):
    return json.dumps({"batch": [trace(f"{seed}-half", input="NAME")]}).replace("NAME", "\\ud83d!").encode()


def whole(seed, public):
    """Requests that are wrong as a whole."""
    good = json.dumps({"batch": [trace(f"{seed}-never", name="must not arrive")]}).encode()
    yield Case("no key", INGESTION, good, 401, authorized=False)
    yield Case("a wrong key", INGESTION, good, 401, authorized=False, headers={"Authorization": "Basic cGs6c2s="})
    yield Case("no base64", INGESTION, good, 401, authorized=False, headers={"Authorization": "Basic %%%"})
    yield Case("another scheme", INGESTION, good, 401, authorized=False, headers={"Authorization": "Digest x"})
    yield Case("OTLP without a key", TRACES, b"", 401, authorized=False, headers={"Content-Type": PROTOBUF})
    yield Case("GET", INGESTION, None, 405, method="GET")
    yield Case("PUT", TRACES, b"", 405, method="PUT")
    yield Case("truncated JSON", INGESTION, good[:-9], 400)
    yield Case("invalid UTF-8", INGESTION, good.replace(b"must", b"\xff\xfe\x80"), 400)
    yield Case("an overlong form", INGESTION, good.replace(b"must", b"\xc0\xaf"), 400)
    yield Case("NUL bytes", INGESTION, b"\0" * 100, 400)
    yield Case("NaN", INGESTION, good.replace(b'"must not arrive"', b"NaN"), 400)
    yield Case("two values", INGESTION, good + good, 400)
    yield Case("nothing", INGESTION, b"", 400)
    for body in (b"null", b"[]", b"5", b'"x"', b"{}", b'{"batch": 5}', b'{"batch": {}}', b'{"batch": null}'):
        yield Case(f"JSON {body.decode()}", INGESTION, body, 400)
    yield Case("text as content type", INGESTION, good, 400, headers={"Content-Type": "text/plain"})
    yield Case("too large", INGESTION, b'{"batch": [], "metadata": "' + b"x" * LIMIT + b'"}', 413)
    deep = b'{"batch": [' + b"[" * 500_000 + b"]" * 500_000 + b"]}"
    yield Case("nested 500,000 deep", INGESTION, deep, (207, 400))
    yield Case("opened 500,000 times", INGESTION, b'{"batch": ' + b"[" * 500_000, 400)
    yield Case("too many events", INGESTION, {"batch": [1] * 10_001}, 413)
    yield Case("no gzip", INGESTION, good, 400, headers={"Content-Encoding": "gzip"})
    yield Case("another encoding", INGESTION, good, 400, headers={"Content-Encoding": "br"})
    yield from routes(seed, public)
    yield from whole_otlp(seed)


def routes(seed, public):
    """Other routes, and keys that may write scores alone."""
    public = {"Authorization": f"Bearer {public}"}
    score = {"id": f"{seed}-by-public-key", "name": "n", "value": 1, "traceId": f"{seed}-good"}
    event = {"id": f"e-{seed}-score", "type": "score-create", "timestamp": STAMP, "body": score}
    refused = trace(f"{seed}-never", event="scope")
    yield Case("a public key", INGESTION, {"batch": [refused, event]}, 207, [event["id"]], ["scope"], headers=public, authorized=False)
    other = {"Authorization": "Bearer pk-nobody"}
    yield Case("a wrong public key", INGESTION, {"batch": [event]}, 401, headers=other, authorized=False)
    yield Case("a trace with a public key", "/api/public/traces", {"id": "x"}, 401, headers=public, authorized=False)
    yield Case("OTLP with a public key", TRACES, b"{}", 401, headers=public, authorized=False)
    yield Case("projects with a public key", "/api/public/projects", None, 401, method="GET", headers=public, authorized=False)
    yield Case("projects without a key", "/api/public/projects", None, 401, method="GET", authorized=False)
    yield Case("projects", "/api/public/projects", None, 200, method="GET")
    yield Case("scores of a wrong type", SCORES, b"5", 400)
    yield Case("a score of nothing", SCORES, b"{}", 400)
    yield Case("scores of nothing", SCORES, [{}, {"name": ""}], 207)
    yield Case("a trace with a number as name", "/api/public/traces", {"name": 5}, 400)
    yield Case("a span that is a list", "/api/public/spans", [], 400)
    yield Case("GET spans", "/api/public/spans", None, 405, method="GET")
    yield Case("OTLP metrics", "/api/public/otel/v1/metrics", b"anything", 200)
    yield Case("OTLP logs", "/api/public/otel/v1/logs", b"{}", 404)
    yield Case("no route", "/api/public/nothing", b"{}", 404)
    origin = {"Origin": "http://client.example", "Access-Control-Request-Method": "POST"}
    yield Case("preflight", INGESTION, None, 204, method="OPTIONS", headers=origin, authorized=False)


def whole_otlp(seed):
    request = otlp_request([span(seed, "must not arrive")])
    good = otlp.request(request)
    packed = {"Content-Type": PROTOBUF, "Content-Encoding": "gzip"}
    yield Case("OTLP: truncated", TRACES, good[:-5], 400, headers={"Content-Type": PROTOBUF})
    yield Case("OTLP: no protobuf", TRACES, b"\xff" * 64, 400, headers={"Content-Type": PROTOBUF})
    yield Case("OTLP: a length past the end", TRACES, b"\x0a\xff\xff\xff\xff\x0f", 400, headers={"Content-Type": PROTOBUF})
    yield Case("OTLP: groups nested 100,000 deep", TRACES, b"\x0b" * 100_000, 400, headers={"Content-Type": PROTOBUF})
    nested = b""
    for _ in range(5000):
        nested = otlp.field(5, otlp.field(1, nested))
    key = otlp.field(9, otlp.text(1, "k") + otlp.field(2, nested))
    deep = otlp.field(1, otlp.field(2, otlp.field(2, key)))
    yield Case("OTLP: a value nested 5,000 deep", TRACES, deep, (200, 400), headers={"Content-Type": PROTOBUF})
    yield Case("OTLP: truncated JSON", TRACES, json.dumps(request).encode()[:-3], 400)
    yield Case("OTLP: null", TRACES, b"null", 400)
    yield Case("OTLP: no JSON", TRACES, b"", 400)
    yield Case("OTLP: another content type", TRACES, good, 400, headers={"Content-Type": "text/plain"})
    yield Case("OTLP: no content type", TRACES, good, 400, headers={"Content-Type": ""})
    yield Case("OTLP: another encoding", TRACES, good, 400, headers=packed | {"Content-Encoding": "br"})
    yield Case("OTLP: no gzip", TRACES, good, 400, headers=packed)
    yield Case("OTLP: truncated gzip", TRACES, gzip.compress(good)[:-12], 400, headers=packed)
    yield Case("OTLP: version 5", TRACES, good, 400, headers={"Content-Type": PROTOBUF, "x-langfuse-ingestion-version": "5"})
    yield Case("OTLP: version x", TRACES, good, 400, headers={"Content-Type": PROTOBUF, "x-langfuse-ingestion-version": "x"})
    yield Case("OTLP: a gzip bomb of 2 GB", TRACES, bomb(2 << 30), 413, headers=packed)


def bomb(size):
    """gzip of that many zeros."""
    packer = zlib.compressobj(9, wbits=31)
    block = bytes(1 << 20)
    return b"".join(packer.compress(block) for _ in range(size >> 20)) + packer.flush()


def run(url, project, journal, seed):
    """Sends them all; `wrong` names what was answered otherwise."""
    sender = Sender(url)
    wrong, sent = [], 0
    for case in [*odd_but_right(seed), *envelopes(seed), *whole(seed, project.public)]:
        sent += 1
        fault = send(sender, case, project, journal)
        if fault is not None:
            wrong.append(f"{case.name}: {fault}")
        alive = sender.once("GET", "/api/public/health")
        if alive is None or alive[0] != 200:
            wrong.append(f"{case.name}: afterwards not healthy")
    return {"sent": sent, "wrong": wrong}


def send(sender, case, project, journal):
    """What is wrong with the answer."""
    headers = (project.headers if case.authorized else {}) | case.headers
    answer = sender.once(case.method, case.path, case.body, headers)
    if answer is None:
        # A server may refuse a large body before it has read it, and the connection ends with the answer unread.
        return None if 413 in case.statuses else "no answer"
    status, _, text = answer
    if status not in case.statuses:
        return f"status {status}, not {sorted(case.statuses)}; {text[:120]!r}"
    if case.spans is not None:
        journal.add(project=project.id, endpoint=case.path, body=case.spans, outcome="accepted", successes="all", status=status)
    if case.taken is None or status != 207:
        return None
    said = json.loads(text)
    taken, refused = ([one["id"] for one in said[name]] for name in ("successes", "errors"))
    entry = {"project": project.id, "endpoint": case.path, "body": case.body.decode()}
    journal.add(outcome="accepted", successes=taken, status=status, **entry)
    if sorted(map(str, taken)) != sorted(case.taken) or sorted(map(str, refused)) != sorted(case.refused):
        return f"took {taken} and refused {refused}, not {case.refused}: {said['errors'][:1]}"
    return None
