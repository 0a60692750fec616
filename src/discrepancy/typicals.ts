import { type CandidateTable, isDrawn } from '../bank/index.js';
import type { Exclusion, SupportSearch } from '../neighbours/index.js';
import { typicalOf } from '../scoring/index.js';
import { UnitMatrix } from '../vectors/index.js';
import { type DiscrepancyEstimate, type EstimateOptions, estimateSizes, type Typicals } from './estimator.js';
import type { Support } from './open-support.js';
import { VirtualEstimator } from './virtual.js';

/** Faces that say what is typical: compared with each other they are 2.0 million pairs, of which a rate of 1e-5 allows 20. */
const MOST_FACES = 2000;

/** The first of faces, as many as are asked about. */
export const firstFaces = (faces: UnitMatrix): UnitMatrix => faces.slice(0, Math.min(MOST_FACES, faces.rows));

/** Of a bank, the faces that it is asked about. Faces, not draws: draws gave thresholds twice as lenient (docs/calibration.md). */
export function facesAsked({ seeds, embeddings, dimension }: CandidateTable): UnitMatrix {
  const firstDrawn = seeds.findIndex(isDrawn);
  const faces = firstDrawn < 0 ? seeds.length : firstDrawn;
  return firstFaces(UnitMatrix.adopt(embeddings, dimension, 'candidates').slice(0, faces));
}

/**
 * What a bank says of its own faces. The row of each is excluded from its support set, as no bank has the faces that it is asked about.
 *
 * @param faces its first candidates
 * @returns one estimate a K
 */
export function askOwnFaces(
  search: SupportSearch,
  faces: UnitMatrix,
  ks: readonly number[],
  options: Pick<EstimateOptions, 'signal'> = {},
): Promise<DiscrepancyEstimate[]> {
  const exclude = Array.from({ length: faces.rows }, (_, row) => ({ rows: [row] }));
  return new VirtualEstimator(search, 1).estimateSizes(faces, ks, { ...options, exclude });
}

/** Of real faces of a cohort: each without the photos of its own person. */
export async function askCohort(
  search: SupportSearch,
  embeddings: UnitMatrix,
  identities: readonly string[],
  ks: readonly number[],
): Promise<Typicals> {
  if (ks.length === 0) return new Map();
  const faces = firstFaces(embeddings);
  const exclude: Exclusion[] = Array.from({ length: faces.rows }, (_, i) => ({
    identities: [identities[i]!],
  }));
  return typicalsOf(
    await estimateSizes({ name: 'cohort', typicals: new Map() }, ks, search, faces, { exclude }),
  );
}

/** What they tell of support sets of each K. */
export const typicalsOf = (estimates: readonly DiscrepancyEstimate[]): Typicals =>
  new Map(
    estimates.flatMap((estimate) => {
      const typical = typicalOf(estimate);
      return typical ? [[estimate.k, typical] as const] : [];
    }),
  );

/** A bank's lookup that knows what is typical at each of these K; at its own K that is what its manifest says. */
export async function virtualWithTypicals(
  { bank, search, virtual }: Support,
  ks: readonly number[],
  options: Pick<EstimateOptions, 'signal'> = {},
): Promise<VirtualEstimator> {
  const unknown = ks.filter((k) => !virtual.typicals.has(k));
  if (unknown.length === 0) return virtual;
  const own = typicalsOf(await askOwnFaces(search, facesAsked(bank.candidates), unknown, options));
  return new VirtualEstimator(search, virtual.k, new Map([...own, ...virtual.typicals]));
}
