// What the interoperability tests do as Node: `node bull.mjs <major> <port> <command> <queue> [argument as JSON]`.
// Prints one JSON value a line. Producers use the options and payloads of Langfuse.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

// The packages are in the cache folder, not beside this script.
const require = createRequire(pathToFileURL(process.env.TRACEMILL_TEST_MODULES + '/'));
const [major, port, command, name, argument] = process.argv.slice(2);
const { Queue, QueueEvents, Worker } = require(`bullmq${major}`);
const connection = { host: '127.0.0.1', port: Number(port), maxRetriesPerRequest: null };
const arg = argument ? JSON.parse(argument) : {};
const say = (value) => console.log(JSON.stringify(value));

const commands = {
  // Adds jobs one by one: {jobs: [{name, data, opts}]}; says their ids.
  async add() {
    const queue = new Queue(name, { connection });
    const ids = [];
    for (const job of arg.jobs) ids.push((await queue.add(job.name, job.data, job.opts)).id);
    say(ids);
    await queue.close();
  },
  // Says the state of jobs: {ids}.
  async states() {
    const queue = new Queue(name, { connection });
    const out = [];
    for (const id of arg.ids) {
      const job = await queue.getJob(id);
      out.push(
        job
          ? {
              id,
              state: await job.getState(),
              attempts: job.attemptsMade,
              reason: job.failedReason ?? null,
              traces: job.stacktrace,
              result: job.returnvalue,
              finished: job.finishedOn ?? null,
            }
          : { id, state: 'gone' },
      );
    }
    say(out);
    await queue.close();
  },
  async counts() {
    const queue = new Queue(name, { connection });
    say(await queue.getJobCounts());
    await queue.close();
  },
  async failed() {
    const queue = new Queue(name, { connection });
    say((await queue.getFailed()).map((job) => ({ id: job.id, reason: job.failedReason })));
    await queue.close();
  },
  // Tries failed jobs again.
  async retry() {
    const queue = new Queue(name, { connection });
    for (const job of await queue.getFailed()) await job.retry();
    say('retried');
    await queue.close();
  },
  async pause() {
    const queue = new Queue(name, { connection });
    await queue.pause();
    say('paused');
    await queue.close();
  },
  async resume() {
    const queue = new Queue(name, { connection });
    await queue.resume();
    say('resumed');
    await queue.close();
  },
  async concurrency() {
    const queue = new Queue(name, { connection });
    await queue.setGlobalConcurrency(arg.most);
    say('set');
    await queue.close();
  },
  // All events so far, as a consumer of them sees them.
  async events() {
    const queue = new Queue(name, { connection });
    const events = new QueueEvents(name, { connection, lastEventId: '0-0' });
    const seen = [];
    for (const kind of ['added', 'waiting', 'active', 'delayed', 'completed', 'failed', 'stalled', 'retries-exhausted'])
      events.on(kind, (event) => seen.push({ kind, ...event }));
    await events.waitUntilReady();
    const end = new Promise((resolve) => events.on('completed', ({ jobId }) => jobId === 'end' && resolve()));
    // A job of our own as the last event: what comes before it has been seen then.
    const worker = new Worker(name, async () => 'x', { connection });
    await queue.add('end', {}, { jobId: 'end', removeOnComplete: true });
    await end;
    await worker.close();
    say(seen.filter((event) => event.jobId !== 'end'));
    await events.close();
    await queue.close();
  },
  // Works until its standard input closes: says what it takes; {fail: reason}, {hold: true} never ends a job.
  async work() {
    const worker = new Worker(
      name,
      async (job) => {
        say({ id: job.id, data: job.data, attempts: job.attemptsMade });
        if (arg.hold) await new Promise(() => {});
        if (arg.fail) throw new Error(arg.fail);
        return { ok: true };
      },
      { connection, lockDuration: 1000, stalledInterval: 500, maxStalledCount: 3, concurrency: arg.concurrency ?? 1 },
    );
    worker.on('error', () => {});
    await worker.waitUntilReady();
    say('ready');
    process.stdin.resume();
    await new Promise((resolve) => process.stdin.on('end', resolve));
    await worker.close();
  },
};

await commands[command]();
process.exit(0);
