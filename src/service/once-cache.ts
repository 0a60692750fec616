import { LRUCache } from 'lru-cache';

export interface OnceCacheOptions<V> {
  /** All values together; those used least lately go first. A single larger one is not kept. */
  readonly maxSize: number;
  /** Of one value, in the unit of `maxSize`, at least 1. */
  sizeOf(value: V): number;
  /** Milliseconds after which a value is made anew. Default: never. */
  readonly ttl?: number;
}

/** Values by key, each made once however many ask for it at the same time, and kept while there is room. A failure is not kept. */
export class OnceCache<V extends object> {
  readonly #kept: LRUCache<string, V>;
  readonly #making = new Map<string, Promise<V>>();

  constructor({ maxSize, sizeOf, ttl = 0 }: OnceCacheOptions<V>) {
    this.#kept = new LRUCache({ maxSize, sizeCalculation: (value) => sizeOf(value), ttl });
  }

  /** Sizes of all values kept. */
  get size(): number {
    return this.#kept.calculatedSize;
  }

  /** @throws what `make` throws */
  get(key: string, make: () => Promise<V>): Promise<V> {
    const kept = this.#kept.get(key);
    if (kept) return Promise.resolve(kept);
    const underWay = this.#making.get(key);
    if (underWay) return underWay;
    const making = make()
      .then((value) => {
        this.#kept.set(key, value);
        return value;
      })
      .finally(() => this.#making.delete(key));
    this.#making.set(key, making);
    return making;
  }
}
