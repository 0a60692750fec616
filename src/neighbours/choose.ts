import type { EngineKind } from './engine.js';

export interface EngineChoice {
  readonly candidates: number;
  /** K: the size of the support sets that will be asked for. */
  readonly k: number;
}

/**
 * Candidates up to which exact search answers batches of queries sooner than HNSW (M = 32, recall .95), by K, of any dimension: both
 * cost in proportion to it. From docs/index-choice.md: exact search won at every K up to 200,000, and at 500,000 up to a K of 256 HNSW
 * did, or drew; these are where the ratio comes to 1 between the two. At a K of 1,024 exact search takes a third of the time there.
 */
const EXACT_UP_TO: readonly (readonly [k: number, candidates: number])[] = [
  [16, 250_000],
  [64, 450_000],
  [256, 500_000],
];

/** The engine that serves batches of queries sooner; exact where they are equal, since it misses no neighbour. */
export function chooseEngine({ candidates, k }: EngineChoice): EngineKind {
  return k <= hnswUpTo(candidates) ? 'hnsw' : 'exact';
}

/**
 * K above which a bank whose index is for `k` is searched exactly all the same: beyond the largest that an index would be chosen for. An
 * index that would not be chosen for `k` was asked for by name, and serves every K: Infinity.
 */
export function exactAbove({ candidates, k }: EngineChoice): number {
  const most = hnswUpTo(candidates);
  return k <= most ? most : Number.POSITIVE_INFINITY;
}

/** The largest K at which HNSW serves batches of queries sooner; 0 where exact search always does. */
function hnswUpTo(candidates: number): number {
  return EXACT_UP_TO.findLast(([, limit]) => candidates > limit)?.[0] ?? 0;
}
