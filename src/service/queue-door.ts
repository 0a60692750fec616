import { FoilbankError, reasonOf } from '../errors.js';
import type { Queues, RedisSettings } from '../jobs/index.js';

/** The queues, opened when they are first needed: lookups never wait for Redis, nor fail without it. */
export class QueueDoor {
  #opened: Promise<Queues> | undefined;

  constructor(private readonly redis: RedisSettings | undefined | Promise<RedisSettings | undefined>) {}

  /** @throws FoilbankError FB_REDIS_UNSET, FB_REDIS_UNREACHABLE, FB_REDIS_REFUSED, FB_REDIS_TOO_OLD */
  open(): Promise<Queues> {
    const opened = this.#opened ?? this.#open();
    this.#opened = opened;
    opened.catch(() => {
      this.#opened = undefined;
    });
    return opened;
  }

  /** @throws as `open`; a Redis that goes away meanwhile is FB_REDIS_UNREACHABLE */
  async use<T>(work: (queues: Queues) => Promise<T>): Promise<T> {
    const queues = await this.open();
    try {
      return await work(queues);
    } catch (error) {
      if (error instanceof FoilbankError) throw error;
      const where = (await this.redis)?.where ?? '';
      throw new FoilbankError('FB_REDIS_UNREACHABLE', { where, reason: reasonOf(error) }, { cause: error });
    }
  }

  async #open(): Promise<Queues> {
    const redis = await this.redis;
    if (!redis) throw new FoilbankError('FB_REDIS_UNSET', {});
    const { openQueues } = await import('../jobs/index.js');
    return openQueues(redis);
  }

  async close(): Promise<void> {
    await (await this.#opened?.catch(() => undefined))?.close();
  }
}
