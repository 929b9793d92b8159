"""pydantic-ai, whose spans the Python client exports: an agent with a tool, on a model that answers by itself."""

from expect import ENVIRONMENT, Said, settings
from langfuse import Langfuse, propagate_attributes
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor
from pydantic_ai import Agent, InstrumentationSettings
from pydantic_ai.models.test import TestModel

ADDED = ("resourceAttributes", "scope", "attributes")


class Seen(SpanProcessor):
    """The spans that went by."""

    def __init__(self):
        self.spans = []

    def on_end(self, span):
        self.spans.append(span)


def main():
    said = Said("pydantic-ai-slim")
    url, public, secret = settings()
    client = Langfuse(public_key=public, secret_key=secret, base_url=url, environment=ENVIRONMENT)
    said.check("auth_check", client.auth_check())
    seen = Seen()
    trace.get_tracer_provider().add_span_processor(seen)
    Agent.instrument_all(InstrumentationSettings())
    agent = Agent(TestModel(custom_output_text="it is 21 degrees"), name="weather")

    @agent.tool_plain
    def temperature(city: str) -> str:
        """The temperature in a city."""
        return f"21 in {city}"

    with client.start_as_current_observation(name="root", as_type="agent") as root, propagate_attributes(user_id="user-9"):
        result = agent.run_sync("How warm is it?")
    said.check("answered", "21" in str(result.output))
    said.row("traces", root.trace_id, ADDED, name="root", user_id="user-9", environment=ENVIRONMENT)
    for span in seen.spans:
        expect(said, span)
    kinds = [row["fields"]["type"] for row in said.rows if row["table"] == "observations"]
    said.check("agent, generations and a tool", kinds.count("GENERATION") >= 2 and "TOOL" in kinds and kinds.count("AGENT") >= 2)
    client.flush()
    client.shutdown()
    said.done()


def expect(said, span):
    found = dict(span.attributes)
    operation = found.get("gen_ai.operation.name")
    kind = {"chat": "GENERATION", "execute_tool": "TOOL", "invoke_agent": "AGENT"}.get(operation, "SPAN")
    fields = {
        "type": found.get("langfuse.observation.type", kind).upper(),
        "name": found.get("gen_ai.tool.name") or found.get("logfire.msg") or span.name,
        "trace_id": f"{span.context.trace_id:032x}",
        "parent_observation_id": f"{span.parent.span_id:016x}" if span.parent else None,
        "start_time": span.start_time // 1_000_000,
        "end_time": span.end_time // 1_000_000,
        "environment": ENVIRONMENT,
    }
    if kind == "GENERATION":
        used = {"input": found["gen_ai.usage.input_tokens"], "output": found["gen_ai.usage.output_tokens"]}
        fields |= {
            "provided_model_name": found.get("gen_ai.response.model") or found["gen_ai.request.model"],
            "usage_details": used | {"total": sum(used.values())},
            "input": found["gen_ai.input.messages"],
            "output": found["gen_ai.output.messages"],
        }
    said.row("observations", f"{span.context.span_id:016x}", ADDED, **fields)


if __name__ == "__main__":
    main()
