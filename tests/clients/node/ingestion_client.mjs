// The npm client of the ingestion route, version 3.

import { randomUUID } from "node:crypto";
import { BIG, ENVIRONMENT, METADATA, RELEASE, Said, load, settings, text, texts } from "./expect.mjs";

const { Langfuse } = load("langfuse");
const said = new Said("langfuse");
const client = new Langfuse({ ...settings(), release: RELEASE, environment: ENVIRONMENT, flushAt: 4 });
client.on("error", (error) => said.fault(`client: ${error}`));

const START = Date.UTC(2026, 2, 1, 10, 0, 0, 123);
const after = (seconds) => new Date(START + seconds * 1000);
const one = randomUUID().slice(0, 12);
const traceId = `t/${one} ä`;

const trace = client.trace({
  id: traceId, name: "first name", userId: "user-1", sessionId: `session-${one}`, version: "1.2", tags: ["b", "a", "b"],
  metadata: METADATA, input: { question: "why?" }, timestamp: after(0),
});
const span = trace.span({
  id: `s-${one}`, name: "outer", startTime: after(1), metadata: { a: { x: 1 } }, input: BIG, version: "3", level: "DEBUG",
});
const messages = [{ role: "user", content: "hi 🙂" }];
const modelParameters = { temperature: 0.7, maxTokens: 100, stop: ["a", "b"] };
const generation = span.generation({
  id: `g-${one}`, name: "call", startTime: after(2), completionStartTime: after(2.5), model: "acme-large-1", modelParameters, input: messages,
});
// At once: the update shares the create's millisecond.
generation.end({
  output: { role: "assistant", content: "naïve" }, usageDetails: { input: 11, output: 22, cached: 3 },
  costDetails: { input: 0.000011, output: 0.000022 },
});
const simple = span.generation({ id: `u-${one}`, name: "names of OpenAI", startTime: after(3), model: "acme-small-1" });
simple.update({ usage: { promptTokens: 7, completionTokens: 1 }, endTime: after(3.5) });
const plain = span.generation({ id: `p-${one}`, name: "plain usage", startTime: after(3) });
plain.update({ usage: { input: 0, output: 5, unit: "TOKENS", inputCost: 0.5, outputCost: 0.25 }, endTime: after(3.5) });
span.event({ id: `e-${one}`, name: "event", startTime: after(5), level: "WARNING", statusMessage: "slow", input: 0, output: false });
span.span({ id: `x-${one}`, name: "fails", startTime: after(5), level: "ERROR", statusMessage: "Error: it broke", endTime: after(6) });
span.update({ endTime: after(7), output: "done", metadata: { a: { y: 2 } } });
await new Promise((resolve) => setTimeout(resolve, 5));
trace.update({ name: "last name", output: ["an", "answer"], public: true, tags: ["c"], metadata: { late: 1 } });
trace.score({ id: `n-${one}`, name: "quality", value: 0.1, comment: "so so", metadata: METADATA });
span.score({ id: `b-${one}`, name: "ok", value: 1, dataType: "BOOLEAN" });
client.score({ id: `c-${one}`, traceId, observationId: `g-${one}`, name: "kind", value: "good", dataType: "CATEGORICAL" });
client.score({ id: `w-${one}`, sessionId: `session-${one}`, name: "of session", value: 5 });
client.trace({ id: `bare-${one}`, timestamp: after(0) });
await client.flushAsync();
await client.shutdownAsync();

const shared = { trace_id: traceId, environment: ENVIRONMENT };
const inner = { ...shared, parent_observation_id: `s-${one}` };
said.row("traces", traceId, {
  name: "last name", user_id: "user-1", session_id: `session-${one}`, version: "1.2", release: RELEASE, tags: ["a", "b", "c"],
  metadata: texts({ ...METADATA, late: 1 }), input: text({ question: "why?" }), output: text(["an", "answer"]), public: true,
  timestamp: START, environment: ENVIRONMENT,
});
said.row("traces", `bare-${one}`, { name: "", user_id: null, public: false, tags: [], metadata: {}, input: null, output: null, release: RELEASE });
said.row("observations", `s-${one}`, {
  type: "SPAN", name: "outer", start_time: START + 1000, end_time: START + 7000, input: BIG, output: "done", version: "3", level: "DEBUG",
  metadata: { a: text({ x: 1, y: 2 }) }, parent_observation_id: null, ...shared,
});
said.row("observations", `g-${one}`, {
  type: "GENERATION", name: "call", start_time: START + 2000, completion_start_time: START + 2500, provided_model_name: "acme-large-1",
  model_parameters: text(modelParameters), input: text(messages), output: text({ role: "assistant", content: "naïve" }), level: "DEFAULT",
  usage_details: { input: 11, output: 22, cached: 3, total: 36 }, total_cost: "0.000033",
  cost_details: { input: "0.000011", output: "0.000022", total: "0.000033" }, ...inner,
});
said.row("observations", `u-${one}`, {
  type: "GENERATION", name: "names of OpenAI", provided_model_name: "acme-small-1", end_time: START + 3500,
  usage_details: { input: 7, output: 1, total: 8 }, ...inner,
});
said.row("observations", `p-${one}`, {
  type: "GENERATION", name: "plain usage", provided_model_name: null, usage_details: { input: 0, output: 5, total: 5 },
  cost_details: { input: "0.5", output: "0.25", total: "0.75" }, total_cost: "0.75", ...inner,
});
said.row("observations", `e-${one}`, {
  type: "EVENT", name: "event", start_time: START + 5000, end_time: null, level: "WARNING", status_message: "slow", input: "0", output: "false",
  ...inner,
});
said.row("observations", `x-${one}`, {
  type: "SPAN", name: "fails", level: "ERROR", status_message: "Error: it broke", end_time: START + 6000, ...inner,
});
said.row("scores", `n-${one}`, {
  name: "quality", value: 0.1, data_type: "NUMERIC", comment: "so so", metadata: texts(METADATA), observation_id: null, ...shared,
});
said.row("scores", `b-${one}`, { name: "ok", value: 1, string_value: "True", data_type: "BOOLEAN", observation_id: `s-${one}`, ...shared });
said.row("scores", `c-${one}`, { name: "kind", value: 0, string_value: "good", data_type: "CATEGORICAL", observation_id: `g-${one}`, ...shared });
said.row("scores", `w-${one}`, { name: "of session", value: 5, session_id: `session-${one}`, trace_id: null });
said.done();
