import { checkWhole } from '../checks.js';
import type { UnitMatrix } from '../vectors/index.js';

export type EngineKind = 'exact' | 'hnsw';

/**
 * The nearest candidates of m queries, `width` to each query: shape [m, width], most similar first, and of equally similar ones
 * the lower row first. `width` is k, or the number of candidates where that is smaller.
 */
export interface Neighbours {
  readonly width: number;
  /** s(query, candidate). NaN where an approximate engine found fewer than `width`. */
  readonly similarities: Float32Array;
  /** Row of the candidate in the matrix that the engine was made of; -1 where fewer were found. */
  readonly rows: Int32Array;
}

/**
 * Finds nearest candidates by similarity and knows nothing else of them: which ones may support an embedding is decided by
 * {@link SupportSearch}. Searches never block the calling thread, and may overlap.
 */
export interface NeighbourEngine {
  readonly kind: EngineKind;
  readonly candidates: number;
  readonly dimension: number;
  /** @throws FoilbankError FB_OPTION_INVALID (k), FB_EMBEDDING_LENGTH, and what the threads throw */
  nearest(queries: UnitMatrix, k: number): Promise<Neighbours>;
  /** {@link nearest} in any order and with `rows` left empty: cheaper where only r and σ are wanted. */
  nearestSimilarities(queries: UnitMatrix, k: number): Promise<Neighbours>;
  /** Frees memory and threads that the engine owns. Searches under way are rejected. */
  close(): Promise<void>;
}

/** The width of a search for `k`, after checking both arguments. */
export function checkSearch(engine: NeighbourEngine, queries: UnitMatrix, k: number): number {
  queries.expect(engine.dimension, 'query');
  checkWhole('k', k, 1, Number.MAX_SAFE_INTEGER);
  return Math.min(k, engine.candidates);
}
