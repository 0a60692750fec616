import { FoilbankError } from '../errors.js';
import { type JobServices, Makers, openQueues, type Queues, type RedisSettings } from '../jobs/index.js';
import { LabelledPairs } from '../pipeline/index.js';
import { storeOf } from './bank-options.js';
import { type CliContext, modelFolders, withPool } from './context.js';

/** @throws FoilbankError FB_REDIS_UNSET */
function requireRedis({ redis }: CliContext): RedisSettings {
  if (!redis) throw new FoilbankError('FB_REDIS_UNSET', {});
  return redis;
}

/** Opens the queues for one command. @throws FoilbankError FB_REDIS_UNSET, and those of `openQueues` */
export async function withQueues<T>(context: CliContext, work: (queues: Queues) => Promise<T>): Promise<T> {
  const queues = await openQueues(requireRedis(context));
  try {
    return await work(queues);
  } finally {
    await queues.close();
  }
}

/** What handlers need, for as long as `work` runs. */
export async function withJobServices<T>(
  context: CliContext,
  work: (services: JobServices) => Promise<T>,
): Promise<T> {
  const folders = modelFolders(context);
  const { pairs: source } = context.config;
  return withPool(context, (pool) => {
    const pairs = source && new LabelledPairs(pool, source);
    return work({ pool, store: storeOf(context), folders, pairs, makers: new Makers(pool, folders) });
  });
}
