import type { EngineKind } from './engine.js';

export interface EngineChoice {
  readonly candidates: number;
  readonly dimension: number;
  /** K: the size of the support sets that will be asked for. */
  readonly k: number;
}

/**
 * Candidates × dimension up to which exact search answers batches of queries sooner than HNSW at recall .95, by K. Measured by
 * bench/index.ts up to 200,000 × 128 and continued by the growth of the ratio from 50,000 on (docs/index-choice.md): HNSW pays
 * for each neighbour that it returns, exact search hardly at all.
 */
const EXACT_UP_TO: readonly (readonly [k: number, values: number])[] = [
  [16, 200_000 * 128],
  [64, 400_000 * 128],
  [256, 1_500_000 * 128],
];

/** The engine that serves batches of queries sooner; exact where they are equal, since it misses no neighbour. */
export function chooseEngine({ candidates, dimension, k }: EngineChoice): EngineKind {
  const limit = EXACT_UP_TO.find(([most]) => k <= most)?.[1] ?? Number.POSITIVE_INFINITY;
  return candidates * dimension <= limit ? 'exact' : 'hnsw';
}
