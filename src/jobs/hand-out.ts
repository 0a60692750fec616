import { type Job, WaitingChildrenError } from 'bullmq';
import { FoilbankError } from '../errors.js';
import { finalError, isRetryable } from './outcome.js';
import type { ChunkPayload, FlowPayload } from './payloads.js';
import { GENERATE, type Queues } from './queues.js';

/** Jobs added in one call: large enough to be quick, small enough not to keep Redis from others. */
const SLICE = 500;
/** Rounds that may bring no part before the flow gives up: workers then write elsewhere than the flow reads. */
const FUTILE = 2;

/**
 * Makes chunks children of a flow's job and ends its turn until all of them are done or have failed for good. Chunks that
 * are children already are not added twice, so a turn that was killed in the middle is only completed.
 *
 * @param token the job's lock
 * @throws WaitingChildrenError, which tells the worker that the turn is over
 * @throws FoilbankError FB_CHUNKS_FAILED, FB_PARTS_MISSING
 */
export async function handOutChunks(
  queues: Queues,
  job: Job<FlowPayload>,
  token: string,
  chunks: readonly ChunkPayload[],
  payload: FlowPayload,
): Promise<void> {
  const { state } = payload;
  const waiting = await unprocessed(job);
  const absent = chunks.filter((chunk) => !waiting.has(suffixOf(chunk)));
  if (absent.length > 0) {
    const round = state.round ?? 0;
    await tellFailures(job, payload);
    const futile = round > 0 && chunks.length >= (state.missing ?? Infinity) ? (state.futile ?? 0) + 1 : 0;
    if (futile > FUTILE)
      throw new FoilbankError('FB_PARTS_MISSING', { bank: payload.bank, parts: chunks.length });
    const next = { ...payload, state: { ...state, round: round + 1, missing: chunks.length, futile } };
    await job.updateData(next);
    const parent = { id: job.id as string, queue: job.queueQualifiedName };
    for (let at = 0; at < absent.length; at += SLICE)
      await queues.generate.addBulk(
        absent.slice(at, at + SLICE).map((data) => ({
          name: 'chunk',
          data,
          opts: {
            ...queues.generate.defaultJobOptions,
            jobId: `${job.id}.${round + 1}.${suffixOf(data)}`,
            parent,
          },
        })),
      );
  }
  if (await job.moveToWaitingChildren(token)) throw new WaitingChildrenError();
}

const suffixOf = ({ options }: ChunkPayload): string => `${options.firstSeed}-${options.chunkSize}`;

/** Suffixes of the children that are still to be done. */
async function unprocessed(job: Job): Promise<Set<string>> {
  const found = new Set<string>();
  let cursor = 0;
  do {
    const page = await job.getDependencies({ unprocessed: { cursor, count: 1000 } });
    for (const key of page.unprocessed ?? []) found.add(key.slice(key.lastIndexOf('.') + 1));
    cursor = page.nextUnprocessedCursor ?? 0;
  } while (cursor !== 0);
  return found;
}

/** Chunks that spent all their tries in the last round end this try of the flow, once; the next one hands them out anew. */
async function tellFailures(job: Job<FlowPayload>, payload: FlowPayload): Promise<void> {
  const { round = 0, told = 0 } = payload.state;
  if (round <= told) return;
  const all: Record<string, string> = await job.getIgnoredChildrenFailures();
  const failures = Object.entries(all).filter(([key]) => key.includes(`:${GENERATE}:${job.id}.${round}.`));
  if (failures.length === 0) return;
  await job.updateData({ ...payload, state: { ...payload.state, told: round } });
  const [key, reason] = failures[0] as [string, string];
  const error = new FoilbankError('FB_CHUNKS_FAILED', {
    ...{ bank: payload.bank, chunks: failures.length, first: key.slice(key.lastIndexOf('.') + 1), reason },
  });
  throw failures.every(([, text]) => isRetryable(text)) ? error : finalError(error);
}
