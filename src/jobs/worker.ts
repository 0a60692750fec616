import { setTimeout as sleep } from 'node:timers/promises';
import { type Job, WaitingChildrenError, WaitingError, Worker } from 'bullmq';
import { FoilbankError, reasonOf } from '../errors.js';
import type { Logger } from '../log.js';
import { Cancellations } from './cancellation.js';
import type { Connection } from './connection.js';
import { allHandlers, type HandlerContext, handlersOf } from './handlers.js';
import { asJobError, finalError } from './outcome.js';
import { GENERATE, PUBLISH } from './queues.js';

export interface WorkerSettings extends HandlerContext {
  readonly log: Logger;
  /** Queues to serve. Default both. */
  readonly serve?: readonly string[];
  /** Chunks under way at once, 1..64. Default 2: while one ends, the inference threads have the next one's batches. */
  readonly concurrency?: number;
  /** Milliseconds after which a job whose worker went silent is taken back. Default 30,000. */
  readonly lockDuration?: number;
}

/** Times that a job may be taken back from silent workers before it fails: whatever kills its worker every time must not go round for ever. */
const MAX_STALLED = 5;

/** The workers of one process. */
export class JobWorkers {
  readonly #workers: Worker[];
  readonly #connections: Connection[] = [];
  readonly #handBack = new AbortController();
  readonly #cancellations: Cancellations;
  #inHand = 0;
  #closing = false;

  /** @throws TypeError when a queue lacks a handler or has one twice */
  constructor(private readonly settings: WorkerSettings) {
    const { queues, serve = [GENERATE, PUBLISH] } = settings;
    this.#cancellations = new Cancellations(queues);
    const handlers = allHandlers(settings);
    this.#workers = serve.map((queue) => this.#open(queue, handlersOf(queue, handlers)));
  }

  #open(queue: string, handlers: ReturnType<typeof handlersOf>): Worker {
    const { queues, log, metrics, concurrency = 2, lockDuration = 30_000 } = this.settings;
    const { connectWorker, prefix } = queues.settings;
    const connection = connectWorker();
    this.#connections.push(connection);
    const worker = new Worker(
      queue,
      (job, token, signal) => this.#turn(queue, handlers, job, token, signal),
      {
        ...{ connection, prefix, lockDuration },
        concurrency: queue === GENERATE ? concurrency : 1,
        stalledInterval: lockDuration,
        maxStalledCount: MAX_STALLED,
      },
    );
    worker.on('error', (error) => log.warn({ queue, reason: reasonOf(error) }, 'queue error'));
    worker.on('stalled', (job) => {
      metrics.stalled.inc({ queue });
      log.warn({ queue, job }, 'a worker went silent; its job was taken back');
    });
    worker.on('failed', (job, error) => {
      if (error.message.startsWith('FB_CANCELLED') && error.name === 'UnrecoverableError') {
        metrics.jobs.inc({ queue, outcome: 'cancelled' });
        log.info({ queue, job: job?.id }, 'cancelled');
        return;
      }
      const spent = job?.finishedOn !== undefined;
      metrics.jobs.inc({ queue, outcome: spent ? 'failed' : 'retried' });
      metrics.failures.inc({ queue, code: /^FB_[A-Z_]+/.exec(error.message)?.[0] ?? 'other' });
      const told = { queue, job: job?.id, attempt: job?.attemptsMade, reason: error.message };
      if (spent) log.error(told, 'job failed for good');
      else log.warn(told, 'try failed');
    });
    worker.on('completed', (job) => {
      metrics.jobs.inc({ queue, outcome: 'completed' });
      const seconds = ((job.finishedOn ?? 0) - (job.processedOn ?? 0)) / 1000;
      metrics.seconds.observe({ queue }, seconds);
      log.info({ queue, job: job.id, seconds }, 'job done');
    });
    return worker;
  }

  /** One turn of a job: its handler under every signal that may end it, and its failure as the queue keeps it. */
  async #turn(
    queue: string,
    handlers: ReturnType<typeof handlersOf>,
    job: Job,
    token: string | undefined,
    lost: AbortSignal | undefined,
  ): Promise<unknown> {
    const handler = handlers.get(job.name);
    if (!handler || token === undefined)
      throw finalError(
        new FoilbankError('FB_JOB_INVALID', {
          kind: queue,
          field: 'name',
          reason: `no job is named ${job.name}`,
        }),
      );
    // It was fetched while the worker closed.
    if (this.#closing) return this.#giveBack(queue, job, token);
    const flow = job.parent?.id ?? (job.id as string);
    const cancelled = this.#cancellations.watch(flow);
    const signals = [this.#handBack.signal, cancelled.signal, ...(lost ? [lost] : [])];
    this.#inHand += 1;
    try {
      if (await this.#cancellations.isSet(flow))
        throw new FoilbankError('FB_CANCELLED', { what: `job ${flow}` });
      return await handler(job, token, AbortSignal.any(signals));
    } catch (error) {
      // What follows may wait for Redis for ever, and must not keep the process alive.
      cancelled.stop();
      const stopped = error instanceof FoilbankError && error.code === 'FB_CANCELLED';
      if (stopped && (await this.#cancellations.isSet(flow).catch(() => false))) throw finalError(error);
      if (stopped && this.#handBack.signal.aborted) return await this.#giveBack(queue, job, token);
      if (error instanceof WaitingChildrenError)
        this.settings.metrics.jobs.inc({ queue, outcome: 'waiting' });
      throw asJobError(error);
    } finally {
      this.#inHand -= 1;
      cancelled.stop();
    }
  }

  /** @throws WaitingError, which tells BullMQ that the turn is over */
  async #giveBack(queue: string, job: Job, token: string): Promise<never> {
    await job.moveToWait(token);
    this.settings.metrics.jobs.inc({ queue, outcome: 'handed_back' });
    this.settings.log.info({ queue, job: job.id }, 'handed back');
    throw new WaitingError();
  }

  get running(): boolean {
    return this.#workers.every((w) => w.isRunning());
  }

  /**
   * Takes no further job, lets those under way finish until `deadline` milliseconds have passed, then hands them back, which
   * takes seconds. Without Redis nothing can be handed back: what is in hand may still finish by then (its part stays in the
   * store), and others take the job from this worker.
   */
  async close(deadline: number): Promise<void> {
    const { log } = this.settings;
    this.#closing = true;
    // Closing a BullMQ worker waits for Redis, unless by force; a pause that waits for nothing stops it from taking jobs.
    await Promise.all(this.#workers.map((w) => w.pause(true)));
    for (const until = performance.now() + deadline; this.#inHand > 0 && performance.now() < until; )
      await sleep(Math.min(LOOK, until - performance.now()));
    this.#handBack.abort();
    const answers = await this.#answers();
    const closed = await within(Promise.all(this.#workers.map((w) => w.close(!answers))), GRACE);
    if (!(answers && closed))
      log.warn('what is in hand could not be handed back; it is taken back from this worker by the others');
    // BullMQ leaves the connection that it was given open.
    for (const connection of this.#connections) connection.disconnect();
  }

  /** A worker's connection keeps what it is asked until Redis is back. */
  async #answers(): Promise<boolean> {
    const pings = Promise.all(this.#connections.map((connection) => connection.ping()));
    return within(pings, ANSWER);
  }
}

/** Milliseconds in which a handler ends at its next safe point and its job is back in the queue. */
const GRACE = 4000;
/** Milliseconds in which a Redis that is there answers. */
const ANSWER = 1000;
/** Milliseconds between looks at what is in hand. */
const LOOK = 50;

/** @returns whether the promise was fulfilled within `milliseconds` */
function within(promise: Promise<unknown>, milliseconds: number): Promise<boolean> {
  const done = promise.then(
    () => true,
    () => false,
  );
  const stop = new AbortController();
  const late = sleep(milliseconds, false, { signal: stop.signal }).catch(() => false);
  return Promise.race([done, late]).finally(() => stop.abort());
}
