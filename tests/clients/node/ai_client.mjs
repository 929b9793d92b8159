// The package ai, whose spans @langfuse/otel exports: text with a tool call, a stream, an embedding, on models that answer by themselves.

import { ENVIRONMENT, Said, load } from "./expect.mjs";
import { ADDED, start } from "./otel.mjs";

const said = new Said("ai");
const spans = [];
const seen = { onStart() {}, onEnd: (span) => spans.push(span), forceFlush: async () => {}, shutdown: async () => {} };
const tracing = start(said, [seen]);
const { embed, generateText, simulateReadableStream, stepCountIs, streamText, tool } = load("ai");
const { MockEmbeddingModelV2, MockLanguageModelV2 } = load("ai/test");
const { z } = load("zod");

const usage = (inputTokens, outputTokens) => ({ inputTokens, outputTokens, totalTokens: inputTokens + outputTokens });
const experimental_telemetry = { isEnabled: true, functionId: "weather", metadata: { userId: "user-5", sessionId: "session-5", tags: ["x"], plan: "free" } };
const answers = [
  {
    finishReason: "tool-calls", usage: usage(10, 5), warnings: [],
    content: [{ type: "tool-call", toolCallId: "call-1", toolName: "temperature", input: '{"city":"Rome"}' }],
  },
  { finishReason: "stop", usage: usage(20, 7), warnings: [], content: [{ type: "text", text: "21 degrees" }] },
];
const temperature = tool({ description: "of a city", inputSchema: z.object({ city: z.string() }), execute: async () => "21" });
const written = await generateText({
  model: new MockLanguageModelV2({ modelId: "acme-large-1", doGenerate: async () => answers.shift() }),
  prompt: "How warm is it?", tools: { temperature }, stopWhen: stepCountIs(3), experimental_telemetry,
});
said.checks.text = written.text === "21 degrees";
const chunks = [
  { type: "stream-start", warnings: [] }, { type: "text-start", id: "1" }, { type: "text-delta", id: "1", delta: "Hel" },
  { type: "text-delta", id: "1", delta: "lo" }, { type: "text-end", id: "1" }, { type: "finish", finishReason: "stop", usage: usage(3, 2) },
];
const streamed = streamText({
  model: new MockLanguageModelV2({ modelId: "acme-large-1", doStream: async () => ({ stream: simulateReadableStream({ chunks }) }) }),
  prompt: "Say hello", experimental_telemetry,
});
said.checks.stream = (await streamed.text) === "Hello";
const embedded = await embed({
  model: new MockEmbeddingModelV2({ modelId: "acme-embed-1", doEmbed: async () => ({ embeddings: [[0.5, 0.25]], usage: { tokens: 4 } }) }),
  value: "sunny", experimental_telemetry,
});
said.checks.embedding = embedded.embedding.length === 2;
await tracing.flush();
await tracing.shutdown();

const TYPES = {
  "ai.generateText.doGenerate": "GENERATION", "ai.streamText.doStream": "GENERATION", "ai.embed.doEmbed": "EMBEDDING", "ai.toolCall": "TOOL",
};
const ms = ([seconds, nanos]) => seconds * 1000 + Math.floor(nanos / 1e6);
for (const span of spans) {
  const { attributes } = span;
  const operation = attributes["ai.operationId"];
  const parent = span.parentSpanContext?.spanId ?? null;
  const traceId = span.spanContext().traceId;
  const named = `${attributes["ai.telemetry.functionId"]}:${operation}`;
  const fields = {
    type: TYPES[operation] ?? "SPAN", name: attributes["ai.toolCall.name"] ?? named, trace_id: traceId, parent_observation_id: parent,
    start_time: ms(span.startTime), end_time: ms(span.endTime), environment: ENVIRONMENT,
  };
  if (fields.type === "GENERATION") {
    const [input, output] = [attributes["gen_ai.usage.input_tokens"], attributes["gen_ai.usage.output_tokens"]];
    Object.assign(fields, {
      provided_model_name: "acme-large-1", input: attributes["ai.prompt.messages"], usage_details: { input, output, total: input + output },
    });
    if (!attributes["ai.response.toolCalls"]) fields.output = attributes["ai.response.text"];
  }
  if (fields.type === "EMBEDDING") fields.provided_model_name = "acme-embed-1";
  if (fields.type === "TOOL") Object.assign(fields, { input: attributes["ai.toolCall.args"], output: attributes["ai.toolCall.result"] });
  said.row("observations", span.spanContext().spanId, fields, ADDED);
  if (!parent) {
    said.row("traces", traceId, { name: named, user_id: "user-5", session_id: "session-5", tags: ["x"], environment: ENVIRONMENT }, ADDED);
  }
}
said.checks.spans = spans.length >= 8 && Object.values(TYPES).every((type) => said.rows.some(({ fields }) => fields.type === type));
said.done();
