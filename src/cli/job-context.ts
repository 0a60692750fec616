import { FoilbankError } from '../errors.js';
import {
  asRedisError,
  type JobServices,
  Makers,
  openQueues,
  type Queues,
  resolveRedis,
} from '../jobs/index.js';
import { LabelledPairs } from '../pipeline/index.js';
import { storeOf } from './bank-options.js';
import { type CliContext, modelFolders, withPool } from './context.js';

/** Opens the queues for one command. @throws FoilbankError FB_REDIS_UNSET, and those of `resolveRedis` and `openQueues` */
export async function withQueues<T>(work: (queues: Queues) => Promise<T>): Promise<T> {
  const redis = resolveRedis();
  if (!redis) throw new FoilbankError('FB_REDIS_UNSET', {});
  const queues = await openQueues(redis);
  try {
    return await work(queues);
  } catch (error) {
    throw asRedisError(error, redis.where);
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
