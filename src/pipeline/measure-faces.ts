import type { CandidateTable, Manifest } from '../bank/index.js';
import { askOwnFaces, facesAsked } from '../discrepancy/index.js';
import { throwIfCancelled } from '../errors.js';
import { ExactEngine, SupportSearch } from '../neighbours/index.js';
import type { InferencePool } from '../onnx/index.js';
import {
  alignScores,
  type DiscrepancyStats,
  type OperatorSettings,
  type Threshold,
  thresholdsOf,
  typicalOf,
} from '../scoring/index.js';
import { UnitMatrix } from '../vectors/index.js';

/** Faces of a bank and what the bank says of them, with what is typical of them. */
export interface Measured {
  readonly faces: UnitMatrix;
  readonly stats: DiscrepancyStats;
}

/** Asks candidates about their own faces, by exact search: an index must not blur what a bank says of itself. */
export async function measureFaces(
  pool: InferencePool,
  candidates: CandidateTable,
  { embedder }: Pick<Manifest['inputs'], 'embedder'>,
  neighbours: number,
  signal?: AbortSignal,
): Promise<Measured> {
  const vectors = UnitMatrix.adopt(candidates.embeddings, candidates.dimension, 'candidates');
  const exact = await ExactEngine.create({ candidates: vectors, pool });
  try {
    const search = new SupportSearch({ engine: exact, exact, samePersonCeiling: embedder.samePersonCeiling });
    const faces = facesAsked(candidates);
    const [stats] = await askOwnFaces(search, faces, [neighbours], signal ? { signal } : {});
    return { faces, stats: { ...stats!, typical: typicalOf(stats!) } };
  } finally {
    await exact.close();
  }
}

/** Thresholds from a bank alone: each of its faces is an impostor to all others. @throws FoilbankError FB_CANCELLED, FB_TYPICAL_UNKNOWN */
export function thresholdsAmong(
  { faces, stats }: Measured,
  { operator, lambda }: OperatorSettings,
  signal?: AbortSignal,
): Threshold[] {
  const m = faces.rows;
  // A lone face knows no other, and nothing is typical of it.
  if (m < 2) return [];
  const scores = new Float64Array((m * (m - 1)) / 2);
  let at = 0;
  for (let a = 1; a < m; a++) {
    throwIfCancelled(signal, 'measuring thresholds');
    const others = Array.from({ length: a }, (_, b) => b);
    const raw = others.map((b) => faces.similarity(a, faces, b));
    const left = new Uint32Array(a).fill(a);
    scores.set(alignScores({ operator, lambda }, { raw, left, right: others }, stats), at);
    at += a;
  }
  return thresholdsOf(scores);
}
