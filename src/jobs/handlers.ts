import type { Job } from 'bullmq';
import { makeChunk } from './chunk.js';
import { runFlow } from './flow.js';
import { handOutChunks } from './hand-out.js';
import type { JobMetrics } from './metrics.js';
import { type ChunkPayload, checkPayload, type FlowPayload } from './payloads.js';
import { PublishedBanks } from './published-banks.js';
import { type FlowOutcome, GENERATE, PUBLISH, type Queues } from './queues.js';
import { enqueueDue } from './schedules.js';
import type { JobServices } from './services.js';

export interface HandlerContext {
  readonly services: JobServices;
  readonly queues: Queues;
  readonly metrics: JobMetrics;
}

/** @param token the lock of this turn */
export type Handler = (job: Job, token: string, signal: AbortSignal) => Promise<unknown>;

export interface NamedHandler {
  readonly queue: string;
  readonly name: string;
  readonly handler: Handler;
}

/** Jobs that each queue carries, by name. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  [GENERATE]: ['chunk'],
  [PUBLISH]: ['flow', 'due'],
};

/** @throws TypeError when a queue's job has no handler or two: a worker that could not do its work must not start */
export function handlersOf(queue: string, all: readonly NamedHandler[]): ReadonlyMap<string, Handler> {
  const handlers = new Map<string, Handler>();
  for (const { name, handler } of all.filter((h) => h.queue === queue)) {
    if (handlers.has(name)) throw new TypeError(`queue ${queue}: two handlers for jobs named ${name}`);
    handlers.set(name, handler);
  }
  for (const name of NAMES[queue] ?? [])
    if (!handlers.has(name)) throw new TypeError(`queue ${queue}: no handler for jobs named ${name}`);
  return handlers;
}

export function allHandlers({ services, queues, metrics }: HandlerContext): readonly NamedHandler[] {
  const published = new PublishedBanks(queues);
  const chunk: Handler = async (job: Job<ChunkPayload>, _token, signal) => {
    const payload = checkPayload('chunk', job.data);
    const report = paced((done: number) => job.updateProgress({ done, total: payload.options.chunkSize }));
    const { accepted, made } = await makeChunk(services, payload, signal, ({ done }) => report(done));
    metrics.seeds.inc(made);
    metrics.accepted.inc(accepted);
    return { accepted, made };
  };
  const flow: Handler = async (job: Job<FlowPayload>, token, signal): Promise<FlowOutcome> => {
    const payload = checkPayload('flow', job.data);
    const { bank } = payload;
    if (!payload.state.plan) await published.check(services.store, bank);
    const { outcome, manifest } = await runFlow(services, payload, {
      id: job.id as string,
      signal,
      remember: (next) => job.updateData(next),
      handOut: (chunks, now) => handOutChunks(queues, job, token, chunks, now),
      onStep: (step) => void job.updateProgress({ step }).catch(() => {}),
      onGates: (results) => {
        for (const { gate, passed, value, limit } of results) {
          if (!passed) metrics.gateFailures.inc({ bank, gate });
          const text = `gate ${gate}: ${value.toPrecision(4)}, limit ${limit}: ${passed ? 'passed' : 'failed'}`;
          job.log(text).catch(() => {});
        }
      },
      onWarning: (sentence) => void job.log(`warning: ${sentence}`).catch(() => {}),
    });
    if (!manifest) return { outcome };
    const { version } = manifest;
    // What is not noted now is noted by the next refresh.
    await published.add(bank, version).catch(() => {});
    return { outcome, version };
  };
  const due: Handler = (job) => enqueueDue(queues, job.data);
  return [
    { queue: GENERATE, name: 'chunk', handler: chunk },
    { queue: PUBLISH, name: 'flow', handler: flow },
    { queue: PUBLISH, name: 'due', handler: due },
  ];
}

/** Reports at most once a second; a report that is lost does no harm. */
function paced(report: (done: number) => Promise<void>): (done: number) => void {
  let last = 0;
  return (done) => {
    const now = Date.now();
    if (now - last < 1000) return;
    last = now;
    report(done).catch(() => {});
  };
}
