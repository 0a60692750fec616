import type { EngineKind } from './engine.js';

export interface EngineChoice {
  readonly candidates: number;
  readonly dimension: number;
  /** K: the size of the support sets that will be asked for. */
  readonly k: number;
}

/**
 * Candidates × dimension up to which exact search answers batches sooner than HNSW at recall .95, by K. Measured by
 * bench/index.ts (docs/index-choice.md). HNSW pays for every neighbour that it returns, exact search hardly at all.
 */
const EXACT_UP_TO: readonly (readonly [k: number, values: number])[] = [
  [16, 100_000 * 128],
  [64, 200_000 * 128],
];

/** The engine that serves a bank sooner; exact wherever it is not clearly the slower one, since it misses no neighbour. */
export function chooseEngine({ candidates, dimension, k }: EngineChoice): EngineKind {
  const limit = EXACT_UP_TO.find(([most]) => k <= most)?.[1] ?? Number.POSITIVE_INFINITY;
  return candidates * dimension <= limit ? 'exact' : 'hnsw';
}
