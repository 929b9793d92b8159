// What the pages are shown: a few kinds of agent runs, one long trace, and what a hostile client would send. Sent through the
// intake, as clients do.

export const HOSTILE = `"'><script>window.pwned=1</script><img src=x onerror="window.pwned=1">`;
const HOUR = 3_600_000;

/** Events in batches, each of which must be taken as a whole. */
async function send(url, key, events) {
  for (let at = 0; at < events.length; at += 400) {
    const batch = events.slice(at, at + 400).map((one, n) => ({
      id: `${one.type}-${one.body.id}-${at + n}`,
      timestamp: new Date().toISOString(),
      ...one,
    }));
    const response = await fetch(`${url}/api/public/ingestion`, {
      method: "POST",
      headers: { authorization: `Basic ${btoa(key)}`, "content-type": "application/json" },
      body: JSON.stringify({ batch }),
    });
    const answer = await response.json();
    if (response.status !== 207 || answer.errors.length > 0) throw new Error(JSON.stringify(answer.errors ?? answer).slice(0, 500));
  }
}

const at = (ms) => new Date(ms).toISOString();

function chat(question, answer) {
  return {
    input: {
      model: "gpt-4o",
      messages: [
        { role: "system", content: "You are a support agent of a bicycle shop. Be brief and kind." },
        { role: "user", content: question },
      ],
    },
    output: { role: "assistant", content: answer },
  };
}

const QUESTIONS = [
  ["My chain slips under load. Is it the cassette?", "Most likely the chain is worn. Measure it: beyond 0.75 % replace it, and the cassette with it if it still slips."],
  ["Can I return an opened helmet?", "Within 30 days, if it was not worn outside. Please keep the receipt."],
  ["Which tyre for gravel and rain?", "A 40 mm tyre with a fine, closed tread in the middle. Start at 2.6 bar."],
  ["Do you repair e-bikes of other shops?", "Yes, as long as the motor’s maker lets us read its diagnosis."],
];
const NAMES = ["support-agent", "support-agent", "search-index", "nightly-report"];
const MODELS = ["gpt-4o", "claude-sonnet-4", "gpt-4o-mini", "gemini-2.5-pro"];

function run(n, now) {
  const id = `run-${String(n).padStart(4, "0")}-5f2c9a7e41d0`;
  // Most of the last days, the newest an hour ago.
  const begin = now - HOUR - Math.floor(n * 1.9 * HOUR) - (n % 7) * 61_000;
  const [question, answer] = QUESTIONS[n % QUESTIONS.length];
  const isFailed = n % 9 === 4;
  const model = MODELS[n % MODELS.length];
  const step = (name, offset, took, more) => ({
    id: `${id}-${name.replaceAll(" ", "-")}`, traceId: id, name, startTime: at(begin + offset), endTime: at(begin + offset + took), ...more,
  });
  const took = 900 + (n * 373) % 5_200;
  const events = [
    { type: "trace-create", body: {
      id, timestamp: at(begin), name: NAMES[n % NAMES.length], userId: `user-${n % 6}@example.com`, sessionId: `visit-${Math.floor(n / 5)}`,
      tags: n % 3 === 0 ? ["shop", "de"] : ["shop"], environment: n % 8 === 7 ? "staging" : "production", release: "2026.11.3", version: "4.2",
      input: { question }, output: { answer }, metadata: { channel: "web", attempt: n % 3, customer: { plan: "pro", since: "2023-04-01" } },
    } },
    { type: "span-create", body: step("answer", 0, took + 420, { input: { question }, output: { answer } }) },
    { type: "span-create", body: step("retrieve", 20, 240, { parentObservationId: `${id}-answer`, input: { query: question, top_k: 4 }, output: ["manual/chain.md", "manual/cassette.md"] }) },
    { type: "generation-create", body: step("embed question", 30, 80, { parentObservationId: `${id}-retrieve`, model: "text-embedding-3-small", usageDetails: { input: 14, total: 14 }, costDetails: { input: 0.0000003 } }) },
    { type: "generation-create", body: step("plan", 280, Math.floor(took / 3), {
      parentObservationId: `${id}-answer`, model, modelParameters: { temperature: 0.2, max_tokens: 800 }, completionStartTime: at(begin + 420),
      usageDetails: { input: 812 + n, output: 96, total: 908 + n }, costDetails: { input: 0.00203, output: 0.00096, total: 0.00299 },
      input: chat(question).input,
      output: { role: "assistant", content: null, tool_calls: [{ id: "call_7", type: "function", function: { name: "find_orders", arguments: `{"user": "user-${n % 6}", "limit": 3}` } }] },
    }) },
    { type: "span-create", body: step("find_orders", 300 + Math.floor(took / 3), 130, {
      parentObservationId: `${id}-answer`, input: { user: `user-${n % 6}`, limit: 3 }, level: isFailed ? "ERROR" : "DEFAULT",
      statusMessage: isFailed ? "connection to orders-db timed out after 100 ms" : undefined, output: isFailed ? undefined : [{ order: 118_204, total: 84.9 }],
    }) },
    { type: "generation-create", body: step("write answer", 440 + Math.floor(took / 3), Math.floor(took / 2), {
      parentObservationId: `${id}-answer`, model, promptName: "support", promptVersion: 3, completionStartTime: at(begin + 640 + Math.floor(took / 3)),
      usageDetails: { input: 1_204, input_cached_tokens: 512, output: 183, total: 1_899 }, costDetails: { input: 0.0034, output: 0.00183, total: 0.00523 },
      input: { messages: [...chat(question).input.messages,
        { role: "assistant", content: null, tool_calls: [{ id: "call_7", type: "function", function: { name: "find_orders", arguments: `{"user": "user-${n % 6}"}` } }] },
        { role: "tool", tool_call_id: "call_7", content: JSON.stringify([{ order: 118_204, total: 84.9 }]) }] },
      output: chat("", answer).output,
    }) },
    { type: "event-create", body: { id: `${id}-sent`, traceId: id, name: "sent", startTime: at(begin + took + 420), parentObservationId: `${id}-answer` } },
    { type: "score-create", body: { id: `${id}-helpful`, traceId: id, name: "helpful", value: n % 4 === 0 ? 0.25 : 0.92, comment: n % 4 === 0 ? "Too short" : undefined, dataType: "NUMERIC" } },
  ];
  if (n % 2 === 0) {
    events.push({ type: "score-create", body: { id: `${id}-tone`, traceId: id, observationId: `${id}-write-answer`, name: "tone", value: "kind", dataType: "CATEGORICAL" } });
  }
  return events;
}

/** One trace with so many steps, four deep. */
function long(id, steps, now) {
  const begin = now - 30 * 60_000;
  const events = [{ type: "trace-create", body: { id, timestamp: at(begin), name: "crawl of the whole site", userId: "cron", sessionId: "visit-0", environment: "production" } }];
  for (let n = 0; n < steps; n += 1) {
    const parent = n === 0 ? undefined : `${id}-${Math.floor((n - 1) / 9)}`;
    const begun = begin + n * 40;
    const isModel = n % 5 === 4;
    events.push({ type: isModel ? "generation-create" : "span-create", body: {
      id: `${id}-${n}`, traceId: id, parentObservationId: parent, name: isModel ? "summarise page" : `fetch page ${n}`, startTime: at(begun),
      endTime: at(begun + 40 + ((n * 131) % 900) + (n < 10 ? (steps / 10) * 40 : 0)), level: n % 611 === 610 ? "ERROR" : "DEFAULT",
      input: { url: `https://shop.example.com/page/${n}`, note: "x".repeat(600) },
      ...(isModel ? { model: "gpt-4o-mini", usageDetails: { input: 900, output: 120, total: 1_020 }, costDetails: { total: 0.0002 } } : {}),
    } });
  }
  return events;
}

/** A trace whose every text tries to leave its place, with orphans and a circle. */
function hostile(now) {
  const id = `hostile-${HOSTILE}`;
  const begin = now - 20 * 60_000;
  const step = (name, parent, more) => ({ type: "generation-create", body: { id: `${name}-${HOSTILE}`, traceId: id, name: HOSTILE, parentObservationId: parent && `${parent}-${HOSTILE}`, startTime: at(begin + 5), endTime: at(begin + 900), model: HOSTILE, statusMessage: HOSTILE, level: "WARNING", ...more } });
  return [
    { type: "trace-create", body: { id, timestamp: at(begin), name: HOSTILE, userId: HOSTILE, sessionId: HOSTILE.slice(0, 60), tags: [HOSTILE.slice(0, 60)], metadata: { [HOSTILE]: HOSTILE }, input: HOSTILE, output: { [HOSTILE]: [HOSTILE] } } },
    step("a", undefined, { input: [{ role: "user", content: HOSTILE }, { role: "assistant", content: [{ type: "tool_use", id: HOSTILE, name: HOSTILE, input: { [HOSTILE]: HOSTILE } }] }], output: HOSTILE, metadata: { [HOSTILE]: { [HOSTILE]: HOSTILE } }, modelParameters: { x: HOSTILE } }),
    step("b", "gone", { input: { [HOSTILE]: HOSTILE } }),
    step("c", "d"),
    step("d", "c"),
    { type: "score-create", body: { id: "hostile-score", traceId: id, observationId: `a-${HOSTILE}`, name: HOSTILE, value: HOSTILE, comment: HOSTILE, dataType: "CATEGORICAL" } },
  ];
}

/** Sends everything; `other` is the key of a project that must never see it. */
export async function fill(url, key, other, steps) {
  const now = Date.now();
  const events = [];
  for (let n = 0; n < 96; n += 1) events.push(...run(n, now));
  await send(url, key, events);
  await send(url, key, long("long-0001-crawl-whole-site", steps, now));
  await send(url, key, hostile(now));
  await send(url, other, [
    { type: "trace-create", body: { id: "other-0001-of-another-project", timestamp: at(now - HOUR), name: "of another project", userId: "other-user", sessionId: "other-session" } },
    { type: "span-create", body: { id: "other-step-0001", traceId: "other-0001-of-another-project", name: "other step", startTime: at(now - HOUR), endTime: at(now - HOUR + 5), input: "other input" } },
  ]);
  return { run: "run-0000-5f2c9a7e41d0", failed: "run-0004-5f2c9a7e41d0", long: "long-0001-crawl-whole-site", hostile: `hostile-${HOSTILE}`, session: "visit-0" };
}
