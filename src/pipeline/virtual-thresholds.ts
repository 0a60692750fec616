import { type CandidateTable, isDrawn, type Manifest } from '../bank/index.js';
import { VirtualEstimator } from '../discrepancy/index.js';
import { throwIfCancelled } from '../errors.js';
import { ExactEngine, SupportSearch } from '../neighbours/index.js';
import type { InferencePool } from '../onnx/index.js';
import {
  alignScores,
  type DiscrepancyStats,
  type OperatorSettings,
  type Threshold,
  thresholdsOf,
} from '../scoring/index.js';
import { UnitMatrix } from '../vectors/index.js';

/** Faces that are compared with each other: 2.0 million pairs, of which a rate of 1e-5 allows 20. */
export const THRESHOLD_FACES = 2000;

/**
 * Thresholds from a calibrated bank alone: each of its faces is an impostor to all others. Its own row is excluded from its support
 * set, as no bank has the faces that it is asked about. Faces, not draws: draws gave thresholds twice as lenient (docs/calibration.md).
 */
export async function virtualThresholds(
  pool: InferencePool,
  candidates: CandidateTable,
  { embedder }: Pick<Manifest['inputs'], 'embedder'>,
  { operator, lambda, neighbours }: OperatorSettings & { readonly neighbours: number },
  signal?: AbortSignal,
): Promise<Threshold[]> {
  const vectors = UnitMatrix.adopt(candidates.embeddings, candidates.dimension, 'candidates');
  const firstDrawn = candidates.seeds.findIndex(isDrawn);
  const m = Math.min(THRESHOLD_FACES, firstDrawn < 0 ? vectors.rows : firstDrawn);
  const faces = vectors.slice(0, m);
  const exact = await ExactEngine.create({ candidates: vectors, pool });
  try {
    const search = new SupportSearch({ engine: exact, exact, samePersonCeiling: embedder.samePersonCeiling });
    const stats = await new VirtualEstimator(search, neighbours).estimate(faces, {
      exclude: Array.from({ length: m }, (_, row) => ({ rows: [row] })),
      ...(signal ? { signal } : {}),
    });
    return thresholdsAmong(faces, stats, { operator, lambda }, signal);
  } finally {
    await exact.close();
  }
}

/** Thresholds by the pairs of faces of different people. @param stats r and σ of each of them */
export function thresholdsAmong(
  faces: UnitMatrix,
  stats: DiscrepancyStats,
  { operator, lambda }: OperatorSettings,
  signal?: AbortSignal,
): Threshold[] {
  const m = faces.rows;
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
