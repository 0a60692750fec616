import { randomBytes } from 'node:crypto';
import { type Job, type JobsOptions, Queue } from 'bullmq';
import type { ChunkResult } from './chunk.js';
import type { Connection } from './connection.js';
import type { FlowResult } from './flow.js';
import {
  type ChunkPayload,
  checkPayload,
  type FlowPayload,
  type FlowRequest,
  PAYLOAD_VERSION,
} from './payloads.js';

export const GENERATE = 'generate';
export const PUBLISH = 'publish';

export interface QueueSettings {
  /** For questions and new jobs: fails when Redis does not answer. */
  readonly connection: Connection;
  /** Host and port, for messages. */
  readonly where: string;
  /** A further connection for a worker, which waits until Redis answers again. */
  readonly connectWorker: () => Connection;
  /** Of every key. Braces keep both queues in one slot of a Redis Cluster. */
  readonly prefix: string;
}

const DAY = 24 * 3600;

/** Retries of a chunk: about a minute and a half in all, so that a store or network may be away for a while. */
const CHUNK_OPTIONS: JobsOptions = {
  attempts: 7,
  backoff: { type: 'exponential', delay: 1000, jitter: 0.5 },
  removeOnComplete: { count: 1000, age: DAY },
  removeOnFail: { count: 5000, age: 30 * DAY },
  // The parent goes on when all others are done, and tells why this one is not.
  ignoreDependencyOnFailure: true,
};

const FLOW_OPTIONS: JobsOptions = {
  attempts: 5,
  backoff: { type: 'exponential', delay: 5000, jitter: 0.5 },
  removeOnComplete: { count: 200, age: 30 * DAY },
  removeOnFail: { count: 500, age: 90 * DAY },
};

/** What a flow leaves in Redis when it is done. */
export interface FlowOutcome {
  readonly outcome: FlowResult['outcome'];
  readonly version?: string;
}

/** Both queues of a Redis. */
export class Queues {
  readonly generate: Queue<ChunkPayload, ChunkResult>;
  readonly publish: Queue<FlowPayload, FlowOutcome>;

  constructor(readonly settings: QueueSettings) {
    const { connection, prefix } = settings;
    this.generate = new Queue(GENERATE, { connection, prefix, defaultJobOptions: CHUNK_OPTIONS });
    this.publish = new Queue(PUBLISH, { connection, prefix, defaultJobOptions: FLOW_OPTIONS });
    // A lost connection is told by the call that needed it.
    for (const queue of [this.generate, this.publish]) queue.on('error', () => {});
  }

  /** Writes a key and nothing else: a Redis that is full or read-only answers questions but takes no jobs. @throws what Redis says */
  async testWrite(): Promise<void> {
    await this.settings.connection.set(`${this.settings.prefix}:test`, '1', 'EX', 60);
  }

  /** Whether a worker takes jobs of this queue now. Where Redis does not tell, somebody is taken to. */
  async isServed(queue: typeof GENERATE | typeof PUBLISH): Promise<boolean> {
    const workers = await this[queue].getWorkersCount().catch(() => 1);
    return workers > 0;
  }

  async close(): Promise<void> {
    await Promise.all([this.generate.close(), this.publish.close()]);
    this.settings.connection.disconnect();
  }
}

/** A request's first payload. @throws FoilbankError FB_JOB_INVALID, FB_JOB_NEWER */
export function flowOf(request: Omit<FlowRequest, 'version'>): FlowPayload {
  return checkPayload('flow', { version: PAYLOAD_VERSION, ...request, state: {} });
}

export const newFlowId = (bank: string): string => `${bank}-${randomBytes(6).toString('hex')}`;

/**
 * Puts a flow into the queue, unless one for the same bank and purpose is waiting or running: that one is then the answer.
 *
 * @throws FoilbankError FB_JOB_INVALID
 */
export async function enqueueFlow(
  queues: Queues,
  request: Omit<FlowRequest, 'version'>,
): Promise<{ id: string; joined: boolean }> {
  const payload = flowOf(request);
  const jobId = newFlowId(payload.bank);
  const job = await queues.publish.add('flow', payload, {
    jobId,
    deduplication: { id: dedupeId(payload) },
  });
  return { id: job.id ?? jobId, joined: job.id !== jobId };
}

const dedupeId = ({ bank, partsOnly }: FlowPayload): string => `${partsOnly ? 'parts' : 'refresh'}-${bank}`;

/**
 * Makes a flow that is tried again the one that others of its bank and purpose join. BullMQ sets this key for new jobs
 * only, and removes it when the job ends.
 *
 * @returns the flow that holds the turn already, if it is another one
 */
export async function claimTurn(queues: Queues, job: Job<FlowPayload>): Promise<string | undefined> {
  const { connection } = queues.settings;
  const key = queues.publish.toKey(`de:${dedupeId(job.data)}`);
  if ((await connection.set(key, job.id as string, 'NX')) === 'OK') return undefined;
  const holder = await connection.get(key);
  return holder && holder !== job.id ? holder : undefined;
}
