"""The Python clients that send OTLP, versions 3, 4 and 5."""

import contextlib
import datetime
import importlib.metadata
import time
import uuid

from expect import BIG, ENVIRONMENT, METADATA, RELEASE, Said, between, broken, settings, text, texts
from langfuse import Langfuse, propagate_attributes

MAJOR = int(importlib.metadata.version("langfuse").split(".")[0])
ADDED = ("resourceAttributes", "scope")
KINDS = ("agent", "tool", "chain", "retriever", "evaluator", "embedding", "guardrail")


def main():
    said = Said()
    url, public, secret = settings()
    client = Langfuse(public_key=public, secret_key=secret, base_url=url, environment=ENVIRONMENT, release=RELEASE)
    said.check("auth_check", client.auth_check())
    whole(said, client, uuid.uuid4().hex[:12])
    plain(said, client)
    chosen(said, client, uuid.uuid4().hex[:12])
    client.flush()
    client.shutdown()
    said.done()


@contextlib.contextmanager
def about_trace(client, root, one):
    """Name, user, session, tags, metadata, version of the trace, as each version says them."""
    about = {"user_id": "user-1", "session_id": f"session-{one}", "version": "1.2", "tags": ["b", "a"]}
    if MAJOR == 3:
        root.update_trace(name="trace name", metadata=METADATA, public=True, input="trace in", output={"trace": "out"}, **about)
        yield
        return
    with propagate_attributes(trace_name="trace name", metadata={"tenant": "acme", "digits": "123"}, **about):
        client.set_current_trace_as_public()
        if MAJOR == 4:
            client.set_current_trace_io(input="trace in", output={"trace": "out"})
        yield


def whole(said, client, one):
    began = time.time()
    with client.start_as_current_observation(name="root", as_type="span", input={"q": "why?"}, metadata=METADATA) as root:
        with about_trace(client, root, one):
            children(said, client, root, one)
        root.update(output=["an", "answer"])
    trace_metadata = METADATA if MAJOR == 3 else METADATA | {"tenant": "acme", "digits": METADATA["digits"]}
    said.row(
        "traces", root.trace_id, ADDED, name="trace name", user_id="user-1", session_id=f"session-{one}", tags=["a", "b"],
        version="1.2", release=RELEASE, environment=ENVIRONMENT, public=True, metadata=texts(trace_metadata),
        input=text({"q": "why?"}) if MAJOR == 5 else "trace in",
        output=text(["an", "answer"]) if MAJOR == 5 else text({"trace": "out"}), timestamp=between(began),
    )  # fmt: skip
    said.row(
        "observations", root.id, ADDED, type="SPAN", name="root", trace_id=root.trace_id, parent_observation_id=None,
        input=text({"q": "why?"}), output=text(["an", "answer"]), metadata=texts(METADATA), version="1.2",
        level="DEFAULT", environment=ENVIRONMENT, start_time=between(began), end_time=between(began),
    )  # fmt: skip
    scores(said, client, root, one)


def children(said, client, root, one):
    began = time.time()
    shared = {
        "trace_id": root.trace_id, "environment": ENVIRONMENT, "version": None if MAJOR == 3 else "1.2", "start_time": between(began),
    }  # fmt: skip
    with client.start_as_current_observation(name="outer", as_type="span", input=BIG) as outer:
        first_token = datetime.datetime.now(datetime.timezone.utc)
        with client.start_as_current_observation(
            name="call", as_type="generation", model="acme-large-1", input=[{"role": "user", "content": "hi 🙂"}],
            model_parameters={"temperature": "0.7", "max_tokens": 100}, completion_start_time=first_token,
        ) as generation:  # fmt: skip
            generation.update(
                output={"role": "assistant", "content": "naïve"}, usage_details={"input": 11, "output": 22, "cached": 3},
                cost_details={"input": 0.000011, "output": 0.000022},
            )  # fmt: skip
        event = client.create_event(name="event", level="WARNING", status_message="slow", input={"n": 0}, metadata={"k": "v"})
        with broken(), client.start_as_current_observation(name="fails", as_type="tool") as failing:
            raise ValueError("it broke")
        said_error = client.start_observation(name="says error", as_type="span", level="ERROR", status_message="said so")
        said_error.end()
        for kind in KINDS:
            with client.start_as_current_observation(name=f"a {kind}", as_type=kind, input=kind, level="DEBUG") as typed:
                pass
            said.row("observations", typed.id, ADDED, type=kind.upper(), name=f"a {kind}", input=kind, level="DEBUG",
                     parent_observation_id=outer.id, **shared)  # fmt: skip
    said.row("observations", outer.id, ADDED, type="SPAN", name="outer", input=BIG, output=None, metadata={},
             parent_observation_id=root.id, **shared)  # fmt: skip
    said.row(
        "observations", generation.id, ADDED, type="GENERATION", name="call", provided_model_name="acme-large-1",
        model_parameters=text({"temperature": "0.7", "max_tokens": 100}), parent_observation_id=outer.id,
        completion_start_time=int(first_token.timestamp()) * 1000 + first_token.microsecond // 1000,
        input=text([{"role": "user", "content": "hi 🙂"}]), output=text({"role": "assistant", "content": "naïve"}),
        usage_details={"input": 11, "output": 22, "cached": 3, "total": 36}, end_time=between(began),
        cost_details={"input": "0.000011", "output": "0.000022", "total": "0.000033"}, total_cost="0.000033", **shared,
    )  # fmt: skip
    said.row("observations", event.id, ADDED, type="EVENT", name="event", level="WARNING", status_message="slow",
             input=text({"n": 0}), metadata={"k": "v"}, parent_observation_id=outer.id, end_time=None, **shared)  # fmt: skip
    said.row("observations", failing.id, ADDED, type="TOOL", name="fails", level="ERROR", parent_observation_id=outer.id,
             status_message={"$contains": "it broke"}, **shared)  # fmt: skip
    said.row("observations", said_error.id, ADDED, type="SPAN", name="says error", level="ERROR", status_message="said so",
             parent_observation_id=outer.id, **shared)  # fmt: skip


def scores(said, client, root, one):
    shared = {"environment": ENVIRONMENT, "source": "API"}
    on_trace = {"trace_id": root.trace_id}
    client.create_score(score_id=f"n-{one}", name="quality", value=0.1, comment="so so", metadata=METADATA, **on_trace)
    client.create_score(score_id=f"o-{one}", name="ok", value=1, data_type="BOOLEAN", observation_id=root.id, **on_trace)
    client.create_score(score_id=f"f-{one}", name="not ok", value=0, data_type="BOOLEAN", **on_trace)
    client.create_score(score_id=f"c-{one}", name="kind", value="good", data_type="CATEGORICAL", **on_trace)
    client.create_score(score_id=f"s-{one}", name="of session", value=5, session_id=f"session-{one}")
    said.row("scores", f"n-{one}", name="quality", value=0.1, data_type="NUMERIC", comment="so so", string_value=None,
             metadata=texts(METADATA), **on_trace, **shared)  # fmt: skip
    said.row("scores", f"o-{one}", name="ok", value=1, data_type="BOOLEAN", string_value="True", observation_id=root.id,
             **on_trace, **shared)  # fmt: skip
    said.row("scores", f"f-{one}", name="not ok", value=0, data_type="BOOLEAN", string_value="False", **on_trace, **shared)
    said.row("scores", f"c-{one}", name="kind", value=0, data_type="CATEGORICAL", string_value="good", **on_trace, **shared)
    said.row("scores", f"s-{one}", name="of session", value=5, data_type="NUMERIC", session_id=f"session-{one}", trace_id=None, **shared)
    if MAJOR >= 4:
        client.create_score(score_id=f"r-{one}", name="output", value="a better text", data_type="CORRECTION", **on_trace)
        said.row("scores", f"r-{one}", name="output", value=0, data_type="CORRECTION", string_value=None,
                 long_string_value="a better text", **on_trace, **shared)  # fmt: skip


def plain(said, client):
    """A trace that is nothing but a root."""
    span = client.start_observation(name="alone")
    span.end()
    said.row("traces", span.trace_id, ADDED, name="alone", user_id=None, session_id=None, public=False, tags=[], metadata={},
             input=None, output=None, version=None, release=RELEASE, environment=ENVIRONMENT)  # fmt: skip
    said.row("observations", span.id, ADDED, type="SPAN", name="alone", trace_id=span.trace_id, parent_observation_id=None, metadata={})


def chosen(said, client, one):
    """A trace id of the caller's, spans of two calls, the second after the first was flushed."""
    context = {"trace_id": client.create_trace_id(seed=one)}
    first = client.start_observation(name="first call", trace_context=context, input="in")
    first.end()
    client.flush()
    second = client.start_observation(name="second call", trace_context=context | {"parent_span_id": first.id}, output="out")
    second.end()
    said.row("observations", first.id, ADDED, type="SPAN", name="first call", trace_id=context["trace_id"], input="in")
    said.row("observations", second.id, ADDED, type="SPAN", name="second call", trace_id=context["trace_id"], output="out",
             parent_observation_id=first.id)  # fmt: skip
    # Both spans say that they are roots of the trace.
    said.row("traces", context["trace_id"], ADDED, name={"$in": ["first call", "second call"]}, environment=ENVIRONMENT)


if __name__ == "__main__":
    main()
