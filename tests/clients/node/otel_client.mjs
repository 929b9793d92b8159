// The npm clients that send OTLP, versions 4 and 5.

import { randomUUID } from "node:crypto";
import { BIG, ENVIRONMENT, METADATA, RELEASE, Said, between, load, settings, text, texts, version } from "./expect.mjs";
import { ADDED, start } from "./otel.mjs";

const MAJOR = Number(version("@langfuse/otel").split(".")[0]);
const said = new Said("@langfuse/otel");
process.env.LANGFUSE_TRACING_ENVIRONMENT = ENVIRONMENT;
const tracing = start(said);
const { startActiveObservation, startObservation, propagateAttributes } = load("@langfuse/tracing");
const { LangfuseClient } = load("@langfuse/client");
const one = randomUUID().slice(0, 12);
const began = Date.now();
const about = { userId: "user-1", sessionId: `session-${one}`, version: "1.2", tags: ["b", "a"] };
const messages = [{ role: "user", content: "hi 🙂" }];
const KINDS = ["agent", "tool", "chain", "retriever", "evaluator", "embedding", "guardrail"];

// Version 4 updates the trace from a span; version 5 propagates what is said of it to every span below.
async function aboutTrace(root, body) {
  if (MAJOR === 4) {
    root.updateTrace({ name: "trace name", metadata: METADATA, public: true, input: "trace in", output: { trace: "out" }, ...about });
    return body();
  }
  return propagateAttributes({ traceName: "trace name", metadata: { tenant: "acme" }, ...about }, async () => {
    root.setTraceAsPublic();
    root.setTraceIO({ input: "trace in", output: { trace: "out" } });
    return body();
  });
}

const childVersion = MAJOR === 4 ? null : "1.2";
const shared = (root) => ({ trace_id: root.traceId, environment: ENVIRONMENT, version: childVersion, start_time: between(began) });

async function children(root) {
  const outer = startObservation("outer", { input: BIG }, { asType: "span", parentSpanContext: root.otelSpan.spanContext() });
  const parent = { parentSpanContext: outer.otelSpan.spanContext() };
  const first = new Date();
  const generation = startObservation(
    "call",
    { model: "acme-large-1", modelParameters: { temperature: 0.7, max_tokens: 100 }, input: messages, completionStartTime: first },
    { asType: "generation", ...parent },
  );
  generation.update({
    output: { role: "assistant", content: "naïve" }, usageDetails: { input: 11, output: 22, cached: 3 },
    costDetails: { input: 0.000011, output: 0.000022 },
  });
  generation.end();
  const event = startObservation("event", { level: "WARNING", statusMessage: "slow", input: { n: 0 }, metadata: { k: "v" } }, { asType: "event", ...parent });
  const failing = startObservation("fails", { level: "ERROR", statusMessage: "Error: it broke" }, { asType: "tool", ...parent });
  failing.end();
  const thrown = await fails(parent);
  const from = { parent_observation_id: outer.id, ...shared(root) };
  for (const kind of KINDS) {
    const typed = startObservation(`a ${kind}`, { input: kind, level: "DEBUG" }, { asType: kind, ...parent });
    typed.end();
    said.row("observations", typed.id, { type: kind.toUpperCase(), name: `a ${kind}`, input: kind, level: "DEBUG", ...from }, ADDED);
  }
  outer.end();
  said.row("observations", outer.id, { type: "SPAN", name: "outer", input: BIG, output: null, metadata: {}, ...shared(root), parent_observation_id: root.id }, ADDED);
  said.row("observations", generation.id, {
    type: "GENERATION", name: "call", provided_model_name: "acme-large-1", model_parameters: text({ temperature: 0.7, max_tokens: 100 }),
    completion_start_time: first.getTime(), input: text(messages), output: text({ role: "assistant", content: "naïve" }),
    usage_details: { input: 11, output: 22, cached: 3, total: 36 }, total_cost: "0.000033",
    cost_details: { input: "0.000011", output: "0.000022", total: "0.000033" }, end_time: between(began), ...from,
  }, ADDED);
  said.row("observations", event.id, { type: "EVENT", name: "event", level: "WARNING", status_message: "slow", input: text({ n: 0 }), metadata: { k: "v" }, end_time: null, ...from }, ADDED);
  said.row("observations", failing.id, { type: "TOOL", name: "fails", level: "ERROR", status_message: "Error: it broke", ...from }, ADDED);
  said.row("observations", thrown, { type: "SPAN", name: "throws", level: "ERROR", status_message: { $contains: "it was thrown" }, ...from }, ADDED);
}

async function fails(parent) {
  let id;
  await startActiveObservation("throws", async (span) => {
    id = span.id;
    throw new Error("it was thrown");
  }, parent).catch(() => {});
  return id;
}

const root = await startActiveObservation("root", async (root) => {
  root.update({ input: { q: "why?" }, metadata: METADATA });
  await aboutTrace(root, () => children(root));
  root.update({ output: ["an", "answer"] });
  return root;
});
const alone = startObservation("alone", {}, { asType: "span" });
alone.end();
await tracing.flush();

const client = new LangfuseClient(settings());
const projects = await client.api.projects.get();
said.checks.projects = projects.data.length === 1 && Boolean(projects.data[0].id);
const onTrace = { trace_id: root.traceId, environment: ENVIRONMENT, source: "API" };
const target = { traceId: root.traceId, environment: ENVIRONMENT };
client.score.create({ id: `n-${one}`, name: "quality", value: 0.1, comment: "so so", metadata: METADATA, ...target });
client.score.create({ id: `o-${one}`, name: "ok", value: 1, dataType: "BOOLEAN", observationId: root.id, ...target });
client.score.create({ id: `f-${one}`, name: "not ok", value: 0, dataType: "BOOLEAN", ...target });
client.score.create({ id: `c-${one}`, name: "kind", value: "good", dataType: "CATEGORICAL", ...target });
client.score.create({ id: `s-${one}`, name: "of session", value: 5, sessionId: `session-${one}`, environment: ENVIRONMENT });
await client.score.flush();
await client.shutdown();
await tracing.shutdown();

said.row("traces", root.traceId, {
  name: "trace name", user_id: "user-1", session_id: `session-${one}`, tags: ["a", "b"], version: "1.2", release: RELEASE, public: true,
  environment: ENVIRONMENT, metadata: texts(MAJOR === 4 ? METADATA : { ...METADATA, tenant: "acme" }), input: "trace in",
  output: text({ trace: "out" }), timestamp: between(began),
}, ADDED);
said.row("observations", root.id, {
  type: "SPAN", name: "root", trace_id: root.traceId, parent_observation_id: null, input: text({ q: "why?" }), output: text(["an", "answer"]),
  metadata: texts(METADATA), version: "1.2", level: "DEFAULT", environment: ENVIRONMENT, start_time: between(began), end_time: between(began),
}, ADDED);
said.row("traces", alone.traceId, { name: "alone", user_id: null, session_id: null, public: false, tags: [], metadata: {}, input: null, output: null, version: null }, ADDED);
said.row("observations", alone.id, { type: "SPAN", name: "alone", trace_id: alone.traceId, parent_observation_id: null, metadata: {} }, ADDED);
said.row("scores", `n-${one}`, { name: "quality", value: 0.1, data_type: "NUMERIC", comment: "so so", string_value: null, metadata: texts(METADATA), ...onTrace });
said.row("scores", `o-${one}`, { name: "ok", value: 1, data_type: "BOOLEAN", string_value: "True", observation_id: root.id, ...onTrace });
said.row("scores", `f-${one}`, { name: "not ok", value: 0, data_type: "BOOLEAN", string_value: "False", ...onTrace });
said.row("scores", `c-${one}`, { name: "kind", value: 0, data_type: "CATEGORICAL", string_value: "good", ...onTrace });
said.row("scores", `s-${one}`, { name: "of session", value: 5, data_type: "NUMERIC", session_id: `session-${one}`, trace_id: null, environment: ENVIRONMENT });
said.done();
