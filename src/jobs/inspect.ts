import type { Job, JobState } from 'bullmq';
import { isBankName } from '../bank/index.js';
import { FoilbankError } from '../errors.js';
import { Cancellations } from './cancellation.js';
import { checkPayload, type FlowPayload } from './payloads.js';
import { claimTurn, type FlowOutcome, GENERATE, type Queues } from './queues.js';

type FlowJob = Job<FlowPayload, FlowOutcome>;

export type FlowStatus =
  | 'waiting'
  | 'generating'
  | 'assembling'
  | 'retrying'
  | 'cancelling'
  | 'done'
  | 'failed'
  | 'cancelled';

/** A flow as people and programs see it. Its cost does not depend on the number of its chunks. */
export interface FlowView {
  readonly id: string;
  readonly bank: string;
  readonly kind: 'refresh' | 'parts';
  readonly status: FlowStatus;
  readonly createdAt: string;
  readonly finishedAt?: string;
  readonly tries: number;
  /** Chunks handed out so far; those that lay in the store already are not among them. */
  readonly chunks: { readonly done: number; readonly failed: number; readonly total: number };
  /** Seeds of these chunks, those of chunks under way included. */
  readonly seeds: { readonly done: number; readonly total: number };
  readonly step?: string;
  readonly epoch?: number;
  readonly version?: string;
  readonly reason?: string;
}

const STATUS: Partial<Record<JobState | 'unknown', FlowStatus>> = {
  'waiting-children': 'generating',
  active: 'assembling',
  delayed: 'retrying',
  completed: 'done',
  failed: 'failed',
};

export async function viewOf(queues: Queues, job: FlowJob): Promise<FlowView> {
  const [state, counts, cancelled] = await Promise.all([
    job.getState(),
    job.getDependenciesCount(),
    new Cancellations(queues).isSet(job.id as string),
  ]);
  if ((state === 'failed' || state === 'completed') && job.finishedOn === undefined) {
    // It ended between being read and being asked for its state: how it ended is in what is read now.
    const ended: FlowJob | undefined = await queues.publish.getJob(job.id as string);
    if (ended?.finishedOn !== undefined) return viewOf(queues, ended);
  }
  const { processed = 0, unprocessed = 0, ignored = 0 } = counts;
  const { state: kept, bank, partsOnly } = readable(job.data);
  const chunkSize = kept?.plan?.options.chunkSize ?? 0;
  const reason = job.failedReason || undefined;
  const status = statusOf(state, reason, cancelled);
  const under = status === 'generating' ? await seedsUnderWay(queues, job.id as string) : 0;
  const { step } = (job.progress || {}) as { step?: string };
  const total = processed + unprocessed + ignored;
  return {
    ...{ id: job.id as string, bank, kind: partsOnly ? 'parts' : 'refresh', status },
    createdAt: new Date(job.timestamp).toISOString(),
    ...(job.finishedOn ? { finishedAt: new Date(job.finishedOn).toISOString() } : {}),
    tries: job.attemptsMade,
    chunks: { done: processed, failed: ignored, total },
    seeds: { done: Math.min(total * chunkSize, processed * chunkSize + under), total: total * chunkSize },
    ...(status === 'assembling' && step ? { step } : {}),
    ...(kept?.plan ? { epoch: kept.plan.epoch } : {}),
    ...(job.returnvalue?.version ? { version: job.returnvalue.version } : {}),
    ...(reason && status !== 'done' ? { reason } : {}),
  };
}

/** A payload that no worker could read is shown all the same, with what is safe to show of it. */
function readable(data: unknown): Partial<FlowPayload> & { bank: string } {
  try {
    return checkPayload('flow', data);
  } catch {
    const { bank } = (data ?? {}) as { bank?: unknown };
    return { bank: typeof bank === 'string' && isBankName(bank) ? bank : '?' };
  }
}

function statusOf(state: JobState | 'unknown', reason: string | undefined, cancelled: boolean): FlowStatus {
  if (state === 'failed' && reason?.startsWith('FB_CANCELLED')) return 'cancelled';
  if (cancelled && state !== 'failed' && state !== 'completed') return 'cancelling';
  return STATUS[state] ?? 'waiting';
}

/** Seeds decided in chunks that workers have in hand: there are as many as workers, however many wait. */
async function seedsUnderWay(queues: Queues, flow: string): Promise<number> {
  const active = await queues.generate.getActive(0, 255);
  return active
    .filter((job) => job?.parent?.id === flow)
    .reduce((sum, job) => sum + ((job.progress as { done?: number }).done ?? 0), 0);
}

/** @throws FoilbankError FB_JOB_NOT_FOUND */
export async function findFlow(queues: Queues, id: string): Promise<FlowJob> {
  const job: FlowJob | undefined = await queues.publish.getJob(id);
  if (job?.name !== 'flow') throw new FoilbankError('FB_JOB_NOT_FOUND', { id });
  return job;
}

/** Flows, newest first. */
export async function listFlows(queues: Queues, limit: number): Promise<readonly FlowView[]> {
  const states = [
    'active',
    'waiting',
    'waiting-children',
    'delayed',
    'prioritized',
    'completed',
    'failed',
  ] as const;
  const jobs = await queues.publish.getJobs([...states], 0, limit, false);
  const flows = jobs.filter((job): job is FlowJob => job?.name === 'flow');
  const views = await Promise.all(flows.map((job) => viewOf(queues, job)));
  return views.sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1)).slice(0, limit);
}

export interface FlowDetails extends FlowView {
  /** Reasons of chunks that failed for good, by their seeds; at most twenty. */
  readonly failures: readonly { readonly seeds: string; readonly reason: string }[];
  readonly log: readonly string[];
  readonly payload: FlowPayload;
}

/** @throws FoilbankError FB_JOB_NOT_FOUND */
export async function showFlow(queues: Queues, id: string): Promise<FlowDetails> {
  const job = await findFlow(queues, id);
  const [view, page, { logs }] = await Promise.all([
    viewOf(queues, job),
    job.getDependencies({ ignored: { cursor: 0, count: 20 } }),
    queues.publish.getJobLogs(id),
  ]);
  const failures = Object.entries(page.ignored ?? {}).map(([key, reason]) => ({
    seeds: key.slice(key.lastIndexOf('.') + 1),
    reason: String(reason),
  }));
  return { ...view, failures: failures.slice(0, 20), log: logs, payload: job.data };
}

/**
 * Tries a failed flow again, with as many tries as a new one; what is in the store is not made again. Not while another of
 * its bank waits or runs: one refresh of a bank runs at a time.
 *
 * @throws FoilbankError FB_JOB_NOT_FOUND, FB_JOB_STATE, and for a payload that would only be refused again those of `checkPayload`
 */
export async function retryFlow(queues: Queues, id: string): Promise<void> {
  const job = await findFlow(queues, id);
  const state = await job.getState();
  if (state !== 'failed')
    throw new FoilbankError('FB_JOB_STATE', {
      id,
      state: statusOf(state, undefined, false),
      wanted: 'failed',
    });
  checkPayload('flow', job.data);
  const other = await claimTurn(queues, job);
  if (other)
    throw new FoilbankError('FB_JOB_STATE', {
      ...{ id, state: `followed by ${other}, which waits or runs`, wanted: 'the latest of its bank' },
    });
  await new Cancellations(queues).clear(id);
  await job.retry('failed', { resetAttemptsMade: true, resetAttemptsStarted: true });
}

/**
 * Cancels a flow: chunks that wait are removed, those in hand are broken off, and the flow ends as cancelled. The version
 * in service stays, and so do parts that were made.
 *
 * @throws FoilbankError FB_JOB_NOT_FOUND, FB_JOB_STATE
 */
export async function cancelFlow(queues: Queues, id: string): Promise<void> {
  const job = await findFlow(queues, id);
  const state = await job.getState();
  if (state === 'completed' || state === 'failed')
    throw new FoilbankError('FB_JOB_STATE', {
      ...{ id, state: statusOf(state, job.failedReason, false), wanted: 'waiting or running' },
    });
  await new Cancellations(queues).set(id);
  // Who asks for a refresh from now on gets another one.
  await job.removeDeduplicationKey();
  if (state === 'waiting-children') await job.removeUnprocessedChildren();
  if (state === 'delayed') await job.promote();
}

/** Jobs of chunks that failed for good, newest first, whatever flow they belong to. */
export async function failedChunks(queues: Queues, limit: number) {
  const jobs = await queues.generate.getFailed(0, limit - 1);
  return jobs.map((job) => ({
    id: job.id as string,
    queue: GENERATE,
    reason: job.failedReason,
    data: job.data,
  }));
}
