"""Tests of the oracle, from the worked examples of the protocol's description.

    python3 -m unittest discover -s tests/oracle
"""

import json
import unittest
from decimal import Decimal

import events
import spans
from jsontext import compact, parse, same
from oracle import Entities

DAY = "2026-03-01T10:00:"


def at(second):
    return f"{DAY}{second:02}.000Z"


def ms(second):
    return events.millis(at(second))


def rows(*batches, outcomes=()):
    entities = Entities()
    for number, batch in enumerate(batches):
        listed = [
            {"id": f"e{number}-{place}", "timestamp": at(second), "type": kind, "body": body}
            for place, (kind, second, body) in enumerate(batch)
        ]
        outcome = outcomes[number] if outcomes else "accepted"
        body = json.dumps({"batch": listed})
        entities.add(
            {"project": "p", "endpoint": "/api/public/ingestion", "outcome": outcome, "successes": "all", "body": body}
        )
    return {key: entities.row(key) for key in entities.keys()}, entities


def one(*batches):
    found, _ = rows(*batches)
    (row,) = found.values()
    return row


def trace(second, **body):
    return ("trace-create", second, {"id": "t", **body})


class WorkedExamples(unittest.TestCase):
    def has(self, row, **columns):
        self.assertEqual({name: row[name] for name in columns}, columns)

    def test_1_a_trace(self):
        metadata = {"k": {"n": 1}, "s": "v", "num": 3, "nul": None}
        row = one(
            [trace(1, name="a", input={"b": 1}, output="x", tags=["b", "a", "b"], metadata=metadata, userId="u",
                   sessionId="s", public=True)]
        )  # fmt: skip
        self.has(row, name="a", user_id="u", session_id="s", public=True, bookmarked=False, tags=["a", "b"])
        self.has(row, input='{"b":1}', output="x", timestamp=ms(1), environment="default")
        self.has(row, metadata={"k": '{"n":1}', "s": "v", "num": "3", "nul": "null"})

    def test_2_null_and_absent(self):
        row = one(
            [trace(1, public=True, name="a", release="r", version="v")],
            [trace(2, name=None, release=None)],
        )
        # Corrected (D-13): public changes only when it is sent.
        self.has(row, name="", release=None, version="v", public=True)

    def test_3_equal_times(self):
        # Corrected (D-3): the later input wins.
        self.has(one([trace(1, name="first"), trace(1, name="second"), trace(1, name="third")]), name="third")
        self.has(one([trace(1, name="first")], [trace(1, name="second")]), name="second")

    def test_4_false_zero_and_the_empty_text(self):
        # Corrected (D-17): they are values.
        row = one([trace(1, input="x", output=0)], [trace(2, input="", output=False)], [trace(3, input=None)])
        self.has(row, input="", output="false")

    def test_5_deep_metadata(self):
        row = one(
            [trace(1, metadata={"a": {"x": 1, "arr": [1, 2, 3]}, "k": "v"})],
            [trace(2, metadata={"a": {"y": 2, "arr": [9]}, "k": None})],
        )
        self.has(row, metadata={"a": '{"x":1,"arr":[9,2,3],"y":2}', "k": "null"})

    def test_7_an_end_before_the_start(self):
        row = one([("span-create", 1, {"id": "o", "startTime": at(10), "endTime": at(5)})])
        self.has(row, start_time=ms(10), end_time=ms(10))

    def test_8_level_and_null(self):
        first = {"id": "o", "level": "ERROR", "statusMessage": "s", "version": "v", "parentObservationId": "p"}
        row = one([("span-create", 1, first)], [("span-update", 2, {"id": "o"} | dict.fromkeys(list(first)[1:]))])
        self.has(row, level="DEFAULT", status_message="s", version="v", parent_observation_id="p")

    def test_9_the_last_type_wins(self):
        self.has(one([("generation-create", 1, {"id": "o"}), ("span-update", 2, {"id": "o"})]), type="SPAN")

    def test_10_a_link_that_comes_later(self):
        row = one([("generation-update", 1, {"id": "o"})], [("generation-create", 2, {"id": "o", "traceId": "t"})])
        # Corrected (D-4): no trace id is made up.
        self.has(row, trace_id="t", start_time=ms(1), environment="default")

    def test_11_a_score_changes(self):
        first = {"id": "s", "name": "n", "value": 1, "comment": "x", "metadata": {"a": 1}, "traceId": "t"}
        second = {"id": "s", "name": "n", "value": "cat", "comment": None, "metadata": {"b": 2}, "traceId": "t2"}
        row = one([("score-create", 1, first)], [("score-create", 2, second)])
        self.has(row, value=0.0, string_value="cat", data_type="CATEGORICAL", comment=None, trace_id="t", timestamp=ms(1))
        self.has(row, metadata={"a": "1", "b": "2"})

    def test_arrival_does_not_matter(self):
        batches = [[trace(2, name="b", metadata={"x": 2})], [trace(1, name="a", tags=["z"], metadata={"x": 1, "y": 1})]]
        self.assertEqual(one(*batches), one(*reversed(batches)))
        self.has(one(*batches), timestamp=ms(1), name="b", tags=["z"], metadata={"x": "2", "y": "1"})

    def test_update_before_create_of_one_time(self):
        update = ("generation-update", 1, {"id": "o", "output": "new"})
        create = ("generation-create", 1, {"id": "o", "input": "in", "output": "old", "model": "m"})
        self.has(one([update, create]), output="new", input="in", provided_model_name="m")

    def test_an_event_without_a_body_id(self):
        found, _ = rows([("trace-create", 1, {"name": "n"})])
        # Corrected (D-9): the envelope's id.
        self.assertEqual(list(found), [("traces", "p", "e0-0")])

    def test_metadata_that_is_no_object(self):
        for value, expected in ((True, "true"), (0, "0"), ("", ""), ([1, 2], "[1,2]"), (5.50, "5.5")):
            self.has(one([trace(1, metadata=value)]), metadata={"metadata": expected})
        self.has(one([trace(1, metadata=None)]), metadata={})

    def test_an_unknown_outcome_allows_both(self):
        _, entities = rows([trace(1, name="a")], [trace(2, name="b")], outcomes=["accepted", "unknown"])
        names = [row["name"] for row in entities.candidates(("traces", "p", "t"))]
        self.assertEqual(names, ["a", "b"])

    def test_refused_events_do_not_count(self):
        entities = Entities()
        batch = [{"id": name, "timestamp": at(1), "type": "trace-create", "body": {"id": name}} for name in "ab"]
        body = json.dumps({"batch": [*batch, 5]})
        entities.add(
            {"project": "p", "endpoint": "/api/public/ingestion", "outcome": "accepted", "successes": ["b"], "body": body}
        )
        self.assertEqual(list(entities.keys()), [("traces", "p", "b")])


class Usage(unittest.TestCase):
    def row(self, *bodies):
        kinds = ["generation-create"] + ["generation-update"] * len(bodies)
        return one(*[[(kind, n + 1, {"id": "o", **body})] for n, (kind, body) in enumerate(zip(kinds, bodies))])  # noqa: B905

    def test_totals(self):
        for usage, details, expected in (
            ({"input": 100, "output": 200, "total": 100, "unit": "CHARACTERS"}, None, {"input": 100, "output": 200, "total": 100}),
            ({"input": 1, "output": 2}, None, {"input": 1, "output": 2, "total": 3}),
            # Corrected (D-20): the reference says 0.
            ({"input": 0, "output": 5}, None, {"input": 0, "output": 5, "total": 5}),
            ({"total": 100}, None, {"total": 100}),
            ({}, None, {}),
            ({"input": 4, "output": -7, "total": -3}, None, {"input": 4, "total": 4}),
            ({"input": 1, "output": 2, "total": 3}, {"input": 2, "output": 3, "total": 5, "cached": 1},
             {"input": 2, "output": 3, "total": 5, "cached": 1}),
            ({"input": 1}, {"input": 1, "cached": 2, "reasoning": 3}, {"input": 1, "cached": 2, "reasoning": 3, "total": 6}),
            ({"input": 1, "output": 2}, {"cached": 4}, {"input": 1, "output": 2, "cached": 4, "total": 7}),
            (None, {"key": 0.1, "a": "7abc", "b": "x", "c": -1}, {"a": 7, "total": 7}),
        ):  # fmt: skip
            with self.subTest(usage=usage, details=details):
                self.assertEqual(self.row({"usage": usage, "usageDetails": details})["usage_details"], expected)

    def test_openai_details(self):
        details = {
            "prompt_tokens": 5, "completion_tokens": 11, "total_tokens": 16,
            "prompt_tokens_details": {"cached_tokens": 2, "audio_tokens": 3},
            "completion_tokens_details": {"text_tokens": 3, "audio_tokens": 4, "reasoning_tokens": 4},
        }  # fmt: skip
        expected = {
            "input": 0, "output": 0, "total": 16, "input_cached_tokens": 2, "input_audio_tokens": 3,
            "output_text_tokens": 3, "output_audio_tokens": 4, "output_reasoning_tokens": 4,
        }  # fmt: skip
        self.assertEqual(self.row({"usageDetails": details})["usage_details"], expected)
        one_more = self.row({"usageDetails": details | {"more": 1}})["usage_details"]
        self.assertEqual(one_more["prompt_tokens"], 5)

    def test_the_last_map_replaces(self):
        row = self.row({"usageDetails": {"input": 1, "output": 2}}, {"usageDetails": {"output": 9}}, {"usageDetails": {}})
        self.assertEqual(row["usage_details"], {"output": 9, "total": 9})

    def test_cost(self):
        for usage, details, expected, total in (
            ({"inputCost": 2, "outputCost": 3, "totalCost": 5}, None, {"input": 2, "output": 3, "total": 5}, 5),
            ({"input": 1, "inputCost": 0.5, "outputCost": 0.25}, {"input": 0.75}, {"input": ".75", "output": ".25", "total": 1}, 1),
            (None, {"input": 1, "cache": 2}, {"input": 1, "cache": 2}, None),
            (None, {"input": 0, "output": None, "x": "1"}, {"input": 0, "total": 0}, 0),
            # Corrected (D-20): costs stay beside the names of OpenAI.
            ({"promptTokens": 1, "totalCost": 2}, None, {"total": 2}, 2),
            (None, {"total": 0.00000000000049999}, {"total": 0}, 0),
        ):  # fmt: skip
            with self.subTest(usage=usage, details=details):
                row = self.row({"usage": usage, "costDetails": details})
                self.assertEqual(row["cost_details"], {name: Decimal(value) for name, value in expected.items()})
                self.assertEqual(row["total_cost"], total)


class Values(unittest.TestCase):
    def test_digits_stay(self):
        raw = '{"a":1.0,"b":12345678901234567890123,"c":1e21,"d":[-0,"é\\n"]}'
        self.assertEqual(compact(parse(raw)), raw)
        self.assertTrue(same('{"a": 1, "b":"\\u00e9"}', '{"b":"é","a":1}'))
        self.assertFalse(same('{"a":1}', '{"a":1.0}'))
        self.assertFalse(same('{"a":1}', '{"a":"1"}'))

    def test_half_a_surrogate_pair(self):
        self.assertEqual(parse('"half \\ud83d!, whole \\ud83d\\ude00"'), "half \ufffd!, whole 😀")

    def test_times(self):
        self.assertEqual(events.millis("1970-01-01T00:00:00.9999999Z"), 999)
        self.assertEqual(events.millis("1970-01-01T02:00:01+0200"), 1000)


class Spans(unittest.TestCase):
    def request(self, parent, start, **attributes):
        span = {
            "traceId": "a" * 32, "spanId": f"{start:016x}", "parentSpanId": parent, "name": f"at {start}",
            "startTimeUnixNano": str(start * 1_000_000), "endTimeUnixNano": str(start * 1_000_000 + 5_999_999),
            "attributes": [{"key": k.replace("__", "."), "value": {"stringValue": v}} for k, v in attributes.items()],
        }  # fmt: skip
        scope = {"name": "langfuse-sdk", "version": "3.15.0"}
        body = {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": scope, "spans": [span]}]}]}
        return {"project": "p", "endpoint": "/api/public/otel/v1/traces", "outcome": "accepted", "body": json.dumps(body)}

    def test_the_root_names_the_trace_whenever_it_arrives(self):
        root = self.request("", 1000, langfuse__trace__name="T", user__id="u", langfuse__observation__input="in")
        child = self.request("03e8", 900, langfuse__observation__level="WARNING")
        found = []
        for order in ([root, child], [child, root]):
            entities = Entities()
            for entry in order:
                entities.add(entry)
            found.append(entities.row(("traces", "p", "a" * 32)))
            self.assertEqual(entities.row(("observations", "p", f"{900:016x}"))["level"], "WARNING")
            self.assertEqual(entities.row(("observations", "p", f"{900:016x}"))["end_time"], 905)
        self.assertEqual(found[0], found[1])
        self.assertEqual((found[0]["timestamp"], found[0]["name"], found[0]["user_id"]), (900, "T", "u"))
        self.assertEqual(found[0]["input"], "in")
        self.assertTrue(same(found[0]["metadata"]["scope"], '{"name":"langfuse-sdk","version":"3.15.0","attributes":{}}'))

    def test_values(self):
        self.assertEqual(spans.plain({"intValue": "9007199254740993"}), "9007199254740993")
        self.assertEqual(spans.plain({"arrayValue": {}}), [])


if __name__ == "__main__":
    unittest.main()
