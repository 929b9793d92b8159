"""What is sent: events of the ingestion route and spans, each made from the seed, its entity and its place alone."""

import datetime
import json
import random

START = datetime.datetime(2026, 3, 1, tzinfo=datetime.timezone.utc)
WORDS = (
    "the agent looked at 12 files and found 3 that differ; 'naïve' retry after 0.25 s: \"ok\" \\ path/to/file 日本語 🙂 "
    "SELECT 1 -- question answered {not json} [at all] tokens counted 1e5 times -0.0 \t tab and\nline "
)
GENERATION_LIKE = ["generation", "agent", "tool", "chain", "retriever", "evaluator", "embedding", "guardrail"]
ODD = ["a/b/c", "a/b", "../../x", "%2F%00", "ключ-日本-🙂", "tab\tid", "line\nid", "\x01\x02\x1f\x7f", "sp ace", "'quo\"te\\", "?q=1&r=[2]#3"]


def iso(millis):
    return (START + datetime.timedelta(milliseconds=millis)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Plan:
    """Entities of one run. `size` is the bytes of an event, about; `events` how many each entity has."""

    def __init__(self, options):
        self.seed, self.size, self.events = options.seed, options.size, options.events
        self.odd, self.creates_only, self.ties = options.odd_ids, options.creates_only, not options.no_ties
        block = random.Random(f"{self.seed}").choices(WORDS.split(" "), k=40_000)
        self.pool = " ".join(block)

    def text(self, rng, size):
        at = rng.randrange(max(1, len(self.pool) - size))
        return self.pool[at : at + size]

    def identity(self, entity):
        plain = f"{self.seed}-{entity}"
        if not self.odd or entity % 3:
            return plain
        odd = ODD[entity // 3 % (len(ODD) + 1) - 1] if entity // 3 % (len(ODD) + 1) else "long" * 300
        return (odd + "/" + plain)[:800] if len(odd) < 700 else plain + odd[: 800 - len(plain)]

    # --- the ingestion route ---------------------------------------------------------------------------------------

    def kind(self, entity):
        """One trace, four observations and a score in six."""
        return ("trace", "observation", "observation", "observation", "observation", "score")[entity % 6]

    def clumps(self, entity):
        """The places of an entity's events; those of one time stay together, since their order is that of the request."""
        rng = random.Random(f"{self.seed}/{entity}/ties")
        place = 0
        while place < self.events:
            length = 2 if self.ties and place + 1 < self.events and rng.random() < 0.1 else 1
            yield list(range(place, place + length))
            place += length

    def event(self, entity, place, first):
        """The event at a place; `first` is the place whose time it has."""
        rng = random.Random(f"{self.seed}/{entity}/{place}")
        at = entity * 977 + first * 13
        kind = self.kind(entity)
        make = {"trace": self.trace, "observation": self.observation, "score": self.score}[kind]
        name, body = make(rng, entity, place, at)
        body["id"] = self.identity(entity)
        return {"id": f"{self.seed}-{entity}-{place}-{rng.randrange(1 << 32):08x}", "type": name, "timestamp": iso(at), "body": body}

    def some(self, rng, body, choices, share=0.4):
        for name, make in choices.items():
            if rng.random() < share:
                body[name] = make()

    def metadata(self, rng):
        return {
            rng.choice(["a", "b", "c", "d.e", "ünïcode", "nested", "list"]): rng.choice(
                ["text", 5, 5.5, -0.25, 12345678901234567, True, None, "1983516295378495150", "", {"x": rng.randrange(9)},
                 {"y": {"z": [rng.randrange(9)]}}, [1, "two", None], []]
            )
            for _ in range(rng.randrange(4))
        }  # fmt: skip

    def payload(self, rng, size):
        words = self.text(rng, max(8, size - 300))
        return rng.choice([words, {"role": "user", "content": words}, [words, rng.randrange(100), 0.5]])

    def trace(self, rng, entity, place, at):
        body = {}
        self.some(
            rng,
            body,
            {
                "name": lambda: rng.choice(["run", "chat", "naïve", "", None]),
                "userId": lambda: rng.choice(["u1", "u2", None]),
                "sessionId": lambda: rng.choice([f"s{entity % 50}", None]),
                "release": lambda: rng.choice(["r1", "r2", None]),
                "version": lambda: rng.choice(["1.0", "2.0"]),
                "public": lambda: rng.choice([True, False, None]),
                "tags": lambda: rng.sample(["tag-1", "tag-2", "Tag", "ä", "🙂", ""], rng.randrange(4)),
                "metadata": lambda: self.metadata(rng),
                "output": lambda: rng.choice([0, False, "", None, "done", {"ok": True}, 1.50]),
            },
        )
        body["environment"] = "production" if entity % 2 else "staging"
        body["timestamp"] = iso(at)
        body["input"] = self.payload(rng, self.size)
        return "trace-create", body

    def observation(self, rng, entity, place, at):
        kind = rng.choice(["span", "generation", "generation", "tool", "event"]) if entity % 11 == 0 else "generation"
        kind = kind if entity % 4 else GENERATION_LIKE[entity // 4 % len(GENERATION_LIKE)]
        update = place > 0 and not self.creates_only and kind in ("span", "generation")
        body = {"environment": "production" if entity % 2 else "staging", "traceId": self.identity(entity - entity % 6)}
        self.some(
            rng,
            body,
            {
                "name": lambda: rng.choice(["call", "step", None]),
                "level": lambda: rng.choice(["DEBUG", "DEFAULT", "WARNING", "ERROR", None]),
                "statusMessage": lambda: rng.choice(["slow", "failed: 502", None]),
                "version": lambda: rng.choice(["1", "2", None]),
                "parentObservationId": lambda: rng.choice([self.identity(entity - 1), None]),
                "metadata": lambda: self.metadata(rng),
                "output": lambda: rng.choice([0, False, "", None, self.payload(rng, 600)]),
            },
        )
        if kind != "event":
            self.some(rng, body, {"endTime": lambda: iso(at + rng.randrange(-500, 5000))})
        if kind not in ("event", "span"):
            self.generation(rng, body, at)
        # Every event names the time: whichever is first tells it.
        body["startTime"] = iso(entity * 977)
        body["input"] = self.payload(rng, self.size)
        return f"{kind}-{'update' if update else 'create'}", body

    def generation(self, rng, body, at):
        self.some(
            rng,
            body,
            {
                "completionStartTime": lambda: iso(at + rng.randrange(500)),
                "model": lambda: rng.choice(["acme-large-1", "acme-small-1", None]),
                "modelParameters": lambda: {"temperature": 0.1, "stop": ["a", "b"], "n": rng.randrange(9), "none": None},
                "usage": lambda: rng.choice(
                    [{"input": rng.randrange(9), "output": rng.randrange(9)}, {"total": 7, "unit": "CHARACTERS"}, {}, None,
                     {"promptTokens": 3, "completionTokens": 4, "totalCost": 0.1}, {"input": 1, "inputCost": 0.25}]
                ),
                "usageDetails": lambda: rng.choice(
                    [{"input": 5, "cached": 2}, {"a": "7abc", "b": 1.5}, {}, None,
                     {"prompt_tokens": 9, "completion_tokens": 8, "total_tokens": 17,
                      "prompt_tokens_details": {"cached_tokens": 2, "none": None}}]
                ),
                "costDetails": lambda: rng.choice([{"input": 0.000001234567}, {"total": 1.5}, {"input": 0.1, "output": 0.2}, None]),
            },
        )  # fmt: skip

    def score(self, rng, entity, place, at):
        body = {"name": f"score-{entity % 7}", "environment": "production", "traceId": self.identity(entity - entity % 6)}
        kind = rng.choice(["NUMERIC", "CATEGORICAL", "BOOLEAN", None])
        values = {"NUMERIC": 0.1 * rng.randrange(100), "CATEGORICAL": "good", "BOOLEAN": rng.randrange(2), None: rng.choice([2.5, "text"])}
        body["value"] = values[kind]
        if kind:
            body["dataType"] = kind
        self.some(
            rng,
            body,
            {
                "comment": lambda: rng.choice([self.text(rng, self.size), None]),
                "metadata": lambda: self.metadata(rng),
                "observationId": lambda: rng.choice([self.identity(entity - 1), None]),
                "source": lambda: rng.choice(["API", "EVAL"]),
            },
        )
        return "score-create", body

    # --- OTLP ------------------------------------------------------------------------------------------------------

    def span(self, entity, place):
        """A span of the trace of that number; the root is place 0."""
        rng = random.Random(f"{self.seed}/{entity}/{place}/span")
        ids = random.Random(f"{self.seed}/{entity}/ids")
        trace = f"{ids.getrandbits(128) | 1:032x}"
        names = [f"{ids.getrandbits(64) | 1:016x}" for _ in range(self.events)]
        start = int(START.timestamp() * 1000) + entity * 977 + (0 if place == 0 else rng.randrange(-50, 2000))
        kind = "agent" if place == 0 else rng.choice([*GENERATION_LIKE, "span", "event"])
        found = {"langfuse.observation.type": kind, "langfuse.environment": "production" if entity % 2 else "staging"}
        found["langfuse.observation.input"] = self.words(rng, self.size)
        optional = {
            "langfuse.observation.output": lambda: self.words(rng, 200),
            "langfuse.observation.level": lambda: rng.choice(["DEBUG", "WARNING", "ERROR"]),
            "langfuse.observation.status_message": lambda: "why",
            "langfuse.observation.metadata.text": lambda: "v",
            "langfuse.observation.metadata.number": lambda: rng.randrange(-(1 << 40), 1 << 40),
            "langfuse.observation.metadata.json": lambda: '{"a":[1,2.50]}',
            "langfuse.observation.metadata.flag": lambda: True,
        }
        if kind not in ("span", "event"):
            optional |= {
                "langfuse.observation.model.name": lambda: "acme-large-1",
                "langfuse.observation.model.parameters": lambda: '{"temperature":0.7,"stop":"x"}',
                "langfuse.observation.usage_details": lambda: json.dumps({"input": rng.randrange(999), "output": 5}),
                "langfuse.observation.cost_details": lambda: '{"input":0.00012,"output":0.0003}',
            }
        if place == 0:
            optional |= {
                "langfuse.trace.name": lambda: f"trace {entity}",
                "langfuse.trace.public": lambda: True,
                "langfuse.trace.tags": lambda: ["x", "y", "x"],
                "langfuse.trace.metadata.tenant": lambda: "acme",
                "langfuse.trace.output": lambda: "all done",
            }
        self.some(rng, found, optional, 0.6)
        if entity % 3 == 0:  # as a client that propagates: the same on every span
            found |= {"user.id": f"user-{entity % 17}", "session.id": f"session-{entity % 50}"}
        span = {"traceId": trace, "spanId": names[place], "name": f"step {place}"}
        if place:
            span["parentSpanId"] = names[rng.randrange(place)]
        span["startTimeUnixNano"] = str(start * 1_000_000 + rng.randrange(1_000_000))
        span["endTimeUnixNano"] = str((start + rng.randrange(5000)) * 1_000_000 + 999_999)
        span["attributes"] = [{"key": name, "value": any_value(value)} for name, value in found.items()]
        span["status"] = {"code": 2, "message": "it failed"} if rng.random() < 0.1 else {}
        return span

    def words(self, rng, size):
        return self.text(rng, max(8, size - 200))


def any_value(value):
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, list):
        return {"arrayValue": {"values": [any_value(one) for one in value]}}
    return {"stringValue": value}


def otlp_request(spans):
    resource = {"service.name": "traffic", "telemetry.sdk.language": "python"}
    scope = {"name": "langfuse-sdk", "version": "3.15.0"}
    named = [{"key": name, "value": any_value(value)} for name, value in resource.items()]
    return {"resourceSpans": [{"resource": {"attributes": named}, "scopeSpans": [{"scope": scope, "spans": spans}]}]}
