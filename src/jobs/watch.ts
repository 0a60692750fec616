import { setTimeout as sleep } from 'node:timers/promises';
import { FoilbankError } from '../errors.js';
import { type Progress, RateMeter } from '../pipeline/index.js';
import { type FlowStatus, type FlowView, findFlow, viewOf } from './inspect.js';
import { isRedisAway } from './open-queues.js';
import type { Queues } from './queues.js';

export interface Patience {
  /** Milliseconds for which a Redis that is away is waited for. Default 60,000. */
  readonly milliseconds?: number;
  /** Called when Redis has gone, with the seconds for which it is waited for, and when it is back. */
  readonly onRedis?: (state: 'away' | 'back', seconds: number) => void;
}

const ENDED: ReadonlySet<FlowStatus> = new Set(['done', 'failed', 'cancelled']);
const POLL = 500;

/**
 * Views of a flow with rate and time left, twice a second until it ends or the signal aborts. The flow does not need who looks
 * at it: a Redis that is away for a while is waited for.
 *
 * @throws FoilbankError FB_JOB_NOT_FOUND, FB_REDIS_UNREACHABLE once patience has run out
 */
export async function* watchFlow(
  queues: Queues,
  id: string,
  signal?: AbortSignal,
  patience: Patience = {},
): AsyncGenerator<FlowView & { readonly progress: Progress }> {
  let meter: { readonly rate: RateMeter; readonly total: number } | undefined;
  for (;;) {
    const view = await patiently(queues, id, signal, patience);
    if (!view) return;
    const { done, total } = view.seeds;
    if (meter?.total !== total) meter = { rate: new RateMeter(total, done), total };
    yield { ...view, progress: meter.rate.update(done) };
    if (ENDED.has(view.status)) return;
    await sleep(POLL);
  }
}

/** @returns undefined once the signal aborts */
async function patiently(
  queues: Queues,
  id: string,
  signal: AbortSignal | undefined,
  { milliseconds = 60_000, onRedis }: Patience,
): Promise<FlowView | undefined> {
  const seconds = Math.round(milliseconds / 1000);
  let away: number | undefined;
  while (!signal?.aborted) {
    try {
      const view = await viewOf(queues, await findFlow(queues, id));
      if (away !== undefined) onRedis?.('back', seconds);
      return view;
    } catch (error) {
      if (!isRedisAway(error)) throw error;
      if (away === undefined) onRedis?.('away', seconds);
      away ??= performance.now();
      if (performance.now() - away >= milliseconds) {
        const { where } = queues.settings;
        const reason = `nothing came for ${seconds} s. Once it is back, \`foilbank jobs watch ${id}\` shows how far the refresh is`;
        throw new FoilbankError('FB_REDIS_UNREACHABLE', { where, reason }, { cause: error });
      }
    }
    await sleep(POLL);
  }
  return undefined;
}
