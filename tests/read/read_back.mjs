// Writes with the JavaScript client, and reads everything back with it.
//
// The server and its keys are in the environment: TRACEMILL_URL, TRACEMILL_PUBLIC_KEY, TRACEMILL_SECRET_KEY; the folder of
// the packages is TRACEMILL_MODULES. Prints what was compared; exits with 1 and the first difference.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

const modules = createRequire(`${process.env.TRACEMILL_MODULES}/package.json`);
const { LangfuseClient } = modules("@langfuse/client");

const client = new LangfuseClient({
  baseUrl: process.env.TRACEMILL_URL,
  publicKey: process.env.TRACEMILL_PUBLIC_KEY,
  secretKey: process.env.TRACEMILL_SECRET_KEY,
});
const { api } = client;
const begin = new Date("2026-03-05T10:00:00.000Z");
const at = (ms) => new Date(begin.getTime() + ms).toISOString();
let compared = 0;

function same(found, expected, what) {
  assert.deepEqual(found, expected, what);
  compared += 1;
}

// Until it is so, or a minute is over.
async function until(what, read) {
  const end = Date.now() + 60_000;
  for (;;) {
    const found = await read().catch((error) => (error.statusCode === 404 ? undefined : Promise.reject(error)));
    if (found) return found;
    assert.ok(Date.now() < end, what);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const traces = ["js-a", "js-b", "js/c"].map((id, n) => ({
  id, name: `trace ${n}`, userId: "js-user", sessionId: "js-session", tags: ["js", `n${n}`], version: "1", release: "r",
  environment: "js", timestamp: at(n), input: { n }, output: [n, "out"], metadata: { n, text: "t" }, public: n === 1,
}));
const observations = traces.flatMap((trace, n) => [
  { id: `${trace.id}-span`, traceId: trace.id, name: "span", startTime: at(n), endTime: at(n + 5_000), environment: "js" },
  {
    id: `${trace.id}-generation`, traceId: trace.id, parentObservationId: `${trace.id}-span`, name: "generation",
    startTime: at(n + 1_000), endTime: at(n + 3_000), completionStartTime: at(n + 1_500), model: "m",
    usageDetails: { input: 1, output: 2, total: 3 }, costDetails: { input: 0.5, output: 1, total: 1.5 }, level: "ERROR",
    input: "in", output: { deep: [n] }, environment: "js",
  },
]);
const event = (type, body) => ({ id: `event-${body.id}`, timestamp: at(0), type, body });
const accepted = await api.ingestion.batch({
  batch: [
    ...traces.map((trace) => event("trace-create", trace)),
    ...observations.map((one) => event(one.model ? "generation-create" : "span-create", one)),
  ],
});
same(accepted.errors, [], "everything was accepted");
same(accepted.successes.length, 9, "everything was accepted");
await api.scores.create({ id: "js-number", traceId: "js-a", name: "number", value: 0.25, dataType: "NUMERIC" });
client.score.create({ id: "js-category", traceId: "js-a", name: "category", value: "good", dataType: "CATEGORICAL" });
client.score.create({
  id: "js-truth", traceId: "js-a", observationId: "js-a-generation", name: "truth", value: 1, dataType: "BOOLEAN",
});
await client.score.flush();

const whole = await until("the trace is there with all of its scores", async () => {
  const trace = await api.trace.get("js-a");
  return trace.scores.length === 3 && trace.observations.length === 2 ? trace : undefined;
});
await until("all of them are there", async () => (await api.trace.list({ limit: 1 })).meta.totalItems === 3);
await until("all of them are there", async () => (await api.observations.getMany({})).data.length === 6);

for (const name of ["id", "name", "userId", "sessionId", "tags", "version", "release", "environment", "timestamp", "input", "output", "metadata", "public"]) {
  same(whole[name], traces[0][name], name);
}
same(whole.latency, 5, "latency");
same(whole.totalCost, 1.5, "cost");
same(whole.observations.map((one) => one.id), ["js-a-span", "js-a-generation"], "observations, the earliest first");
same((await api.trace.get("js/c")).id, "js/c", "an id with a slash");

const list = await api.trace.list({ limit: 2, orderBy: "timestamp.desc", fields: "core,scores", tags: ["js"] });
same(list.data.map((one) => one.id), ["js/c", "js-b"], "a page");
same(list.meta, { page: 1, limit: 2, totalItems: 3, totalPages: 2 }, "meta");
const wanted = [{ type: "arrayOptions", column: "tags", operator: "any of", value: ["n1"] }];
same((await api.trace.list({ filter: JSON.stringify(wanted) })).data.map((one) => one.id), ["js-b"], "a condition");

const newest = observations.toSorted((a, b) => (a.startTime < b.startTime ? 1 : -1)).map((one) => one.id);
const found = [];
for (let cursor; ; ) {
  const page = await api.observations.getMany({ limit: 4, cursor, fields: "core,basic,io,usage" });
  found.push(...page.data);
  cursor = page.meta.cursor;
  if (!cursor) break;
}
same(found.map((one) => one.id), newest, "pages that follow on each other");
const generation = found.find((one) => one.id === "js-b-generation");
same([generation.userId, generation.sessionId, generation.level], ["js-user", "js-session", "ERROR"], "of both");
same([generation.input, JSON.parse(generation.output)], ["in", { deep: [1] }], "payloads as texts");
same(generation.usageDetails, { input: 1, output: 2, total: 3 }, "usage");
same(generation.totalCost, 1.5, "cost");
const old = await api.legacy.observationsV1.get("js-b-generation");
same([old.output, old.model, old.latency], [{ deep: [1] }, "m", 2], "one observation");
same((await api.legacy.observationsV1.getMany({ level: "ERROR" })).meta.totalItems, 3, "of a level");

same((await api.scores.getMany({ name: "number" })).data.map((one) => one.value), [0.25], "a score");
same((await api.scores.getById("js-category")).stringValue, "good", "a category");
const scores = (await api.scoresV3.getManyV3({ traceId: "js-a", fields: "subject" })).data;
const byName = Object.fromEntries(scores.map((one) => [one.name, one.value]));
same(byName, { number: 0.25, category: "good", truth: true }, "values have types");
const subject = scores.find((one) => one.name === "truth").subject;
same(subject, { kind: "observation", id: "js-a-generation", traceId: "js-a" }, "what was scored");

same((await api.sessions.list({})).data.map((one) => one.id), ["js-session"], "sessions");
same((await api.sessions.get("js-session")).traces.map((one) => one.id), ["js/c", "js-b", "js-a"], "a session");
const totals = await api.metrics.metrics({
  query: JSON.stringify({
    view: "observations", dimensions: [{ field: "providedModelName" }],
    metrics: [{ measure: "totalCost", aggregation: "sum" }, { measure: "latency", aggregation: "p95" }],
    filters: [{ type: "string", column: "level", operator: "=", value: "ERROR" }],
    fromTimestamp: at(0), toTimestamp: at(60_000),
  }),
});
same(totals.data, [{ providedModelName: "m", sum_totalCost: 4.5, p95_latency: 2000 }], "totals");
same((await api.projects.get()).data.length, 1, "projects");
same((await api.health.health()).status, "OK", "health");
await api.trace.delete("js-b");
await until("it is gone", async () => (await api.trace.list({})).data.every((one) => one.id !== "js-b"));
await assert.rejects(api.trace.get("js-b"), (error) => error.statusCode === 404);
console.log(JSON.stringify({ compared }));
