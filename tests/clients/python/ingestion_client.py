"""The Python client of the ingestion route, version 2."""

import datetime
import uuid

from expect import BIG, ENVIRONMENT, METADATA, RELEASE, Said, settings, text, texts
from langfuse import Langfuse

START = datetime.datetime(2026, 3, 1, 10, 0, 0, 123_999, datetime.timezone.utc)


def after(seconds):
    return START + datetime.timedelta(seconds=seconds)


def ms(moment):
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000


def main():
    said = Said()
    url, public, secret = settings()
    client = Langfuse(public, secret, url, release=RELEASE, environment=ENVIRONMENT, flush_at=4)
    said.check("auth_check", client.auth_check())
    run(said, client, uuid.uuid4().hex[:12])
    other(said, client, uuid.uuid4().hex[:12])
    client.flush()
    client.shutdown()
    said.done()


def run(said, client, one):
    trace = client.trace(
        id=f"t/{one} ä", name="first name", user_id="user-1", session_id=f"session-{one}", version="1.2", tags=["b", "a", "b"],
        metadata=METADATA, input={"question": "why?"}, timestamp=START,
    )  # fmt: skip
    span = trace.span(
        id=f"s-{one}", name="outer", start_time=after(1), metadata={"a": {"x": 1}}, input=BIG, version="3", level="DEBUG"
    )
    generation = span.generation(
        id=f"g-{one}", name="call", start_time=after(2), completion_start_time=after(2.5), model="acme-large-1",
        model_parameters={"temperature": 0.7, "max_tokens": 100, "stop": ["a", "b"]}, input=[{"role": "user", "content": "hi 🙂"}],
    )  # fmt: skip
    generation.end(
        output={"role": "assistant", "content": "naïve"}, end_time=after(4), usage_details={"input": 11, "output": 22, "cached": 3},
        cost_details={"input": 0.000011, "output": 0.000022},
    )  # fmt: skip
    simple = span.generation(id=f"u-{one}", name="simple usage", start_time=after(3), model="acme-small-1")
    simple.update(usage={"input": 7, "output": 0, "unit": "TOKENS", "input_cost": 0.5, "output_cost": 0.25, "total_cost": 0.75})
    simple.end(end_time=after(3.5))
    span.event(id=f"e-{one}", name="event", start_time=after(5), level="WARNING", status_message="slow", input=0, output=False)
    span.span(id=f"x-{one}", name="fails", start_time=after(5), level="ERROR", status_message="ValueError: it broke").end(end_time=after(6))
    span.end(end_time=after(7), output="done", metadata={"a": {"y": 2}})
    trace.update(name="last name", output=["an", "answer"], public=True, tags=["c"], metadata={"late": 1})
    trace.score(id=f"n-{one}", name="quality", value=0.1, comment="so so")
    span.score(id=f"b-{one}", name="ok", value=1, data_type="BOOLEAN")
    client.score(id=f"c-{one}", trace_id=f"t/{one} ä", observation_id=f"g-{one}", name="kind", value="good", data_type="CATEGORICAL")

    shared = {"trace_id": f"t/{one} ä", "environment": ENVIRONMENT}
    said.row(
        "traces", f"t/{one} ä", name="last name", user_id="user-1", session_id=f"session-{one}", version="1.2", release=RELEASE,
        tags=["a", "b", "c"], metadata=texts(METADATA | {"late": 1}), input=text({"question": "why?"}), output=text(["an", "answer"]),
        public=True, timestamp=ms(START), environment=ENVIRONMENT,
    )  # fmt: skip
    said.row(
        "observations", f"s-{one}", type="SPAN", name="outer", start_time=ms(after(1)), end_time=ms(after(7)), input=BIG, output="done",
        metadata={"a": text({"x": 1, "y": 2})}, version="3", level="DEBUG", parent_observation_id=None, **shared,
    )  # fmt: skip
    said.row(
        "observations", f"g-{one}", type="GENERATION", name="call", start_time=ms(after(2)), end_time=ms(after(4)),
        completion_start_time=ms(after(2.5)), provided_model_name="acme-large-1", parent_observation_id=f"s-{one}",
        # The client makes texts of fractions.
        model_parameters=text({"temperature": "0.7", "max_tokens": 100, "stop": ["a", "b"]}),
        input=text([{"role": "user", "content": "hi 🙂"}]), output=text({"role": "assistant", "content": "naïve"}),
        usage_details={"input": 11, "output": 22, "cached": 3, "total": 36}, level="DEFAULT",
        cost_details={"input": "0.000011", "output": "0.000022", "total": "0.000033"}, total_cost="0.000033", **shared,
    )  # fmt: skip
    said.row(
        "observations", f"u-{one}", type="GENERATION", provided_model_name="acme-small-1", parent_observation_id=f"s-{one}",
        end_time=ms(after(3.5)), usage_details={"input": 7, "output": 0, "total": 7},
        cost_details={"input": "0.5", "output": "0.25", "total": "0.75"}, total_cost="0.75", **shared,
    )  # fmt: skip
    said.row(
        "observations", f"e-{one}", type="EVENT", name="event", start_time=ms(after(5)), end_time=None, level="WARNING",
        status_message="slow", input="0", output="false", parent_observation_id=f"s-{one}", **shared,
    )  # fmt: skip
    said.row(
        "observations", f"x-{one}", type="SPAN", name="fails", level="ERROR", status_message="ValueError: it broke",
        end_time=ms(after(6)), parent_observation_id=f"s-{one}", **shared,
    )  # fmt: skip
    said.row("scores", f"n-{one}", name="quality", value=0.1, data_type="NUMERIC", comment="so so", observation_id=None, **shared)
    said.row("scores", f"b-{one}", name="ok", value=1, string_value="True", data_type="BOOLEAN", observation_id=f"s-{one}", **shared)
    said.row(
        "scores", f"c-{one}", name="kind", value=0, string_value="good", data_type="CATEGORICAL", observation_id=f"g-{one}", **shared
    )


def other(said, client, one):
    """A second trace, private again after it was public, and everything left out that may be."""
    trace = client.trace(id=one, timestamp=START, public=True)
    trace.update(public=False, user_id="user-2")
    trace.update(user_id="user-3")
    said.row("traces", one, name="", user_id="user-3", public=False, tags=[], metadata={}, input=None, output=None, session_id=None)


if __name__ == "__main__":
    main()
