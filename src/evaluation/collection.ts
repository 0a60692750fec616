import type { DiscrepancyEstimate } from '../discrepancy/index.js';
import { FoilbankError } from '../errors.js';
import type { InferencePool } from '../onnx/index.js';
import {
  OPERATORS,
  type OperatorName,
  type OperatorSettings,
  resolveOperatorSettings,
} from '../scoring/index.js';
import type { UnitMatrix } from '../vectors/index.js';
import { type Alignment, type ScoredPairs, scoreAllPairs } from './all-pairs.js';
import { type EqualError, equalErrors } from './equal-error.js';
import { type GroupSpread, groupSpreads } from './groups.js';
import { type IdentificationPoint, identify } from './identification.js';
import type { Identities } from './identities.js';
import { type OperatingPoint, operatingPoints, smallestFar } from './operating-points.js';
import { type FoldAccuracy, foldAccuracy } from './pair-folds.js';
import { type PairTrials, scoresOfTrials } from './pair-trials.js';
import type { IdentityResamples } from './resampling.js';

/** The false accept rates that reports show. */
export const FARS: readonly number[] = [1e-2, 1e-3, 1e-4, 1e-5, 1e-6];

/** One way of scoring, and what to call it. */
export interface NamedAlignment extends Alignment {
  /** None for the raw similarity. */
  readonly estimator: string | undefined;
  readonly k: number | undefined;
}

/** The raw similarity, and every operator on every estimate that has what it needs. */
export function alignmentsOf(
  photos: number,
  estimates: readonly DiscrepancyEstimate[],
  operators: readonly OperatorName[] = OPERATORS.slice(1),
  lambda = 1,
): NamedAlignment[] {
  const nothing = { r: new Float64Array(photos), sigma: new Float64Array(photos), n: new Int32Array(photos) };
  const raw = { settings: resolveOperatorSettings({ operator: 'none' }), stats: nothing };
  return [
    { ...raw, estimator: undefined, k: undefined },
    ...estimates.flatMap((stats) =>
      operators
        .filter((operator) => operator !== 'fuse' || stats.typical)
        .map((operator) => ({
          ...{ settings: resolveOperatorSettings({ operator, lambda }), stats },
          ...{ estimator: stats.estimator, k: stats.k },
        })),
    ),
  ];
}

export interface CollectionOptions {
  readonly alignments: readonly NamedAlignment[];
  readonly resamples: IdentityResamples;
  readonly pairs?: PairTrials | undefined;
  /** Label of each photo. */
  readonly groups?: readonly (string | undefined)[] | undefined;
  /** False accept rate of the thresholds that identification, groups and flipped pairs are judged at. Default 1e-4. */
  readonly threshold?: number;
  readonly signal?: AbortSignal | undefined;
  onProgress?(done: number, total: number): void;
}

/** How one way of scoring did. */
export interface Result {
  readonly settings: OperatorSettings;
  readonly estimator: string | undefined;
  readonly k: number | undefined;
  readonly points: readonly OperatingPoint[];
  readonly equalError: EqualError;
  readonly folds: FoldAccuracy | undefined;
  readonly identification: readonly IdentificationPoint[];
  readonly groups: GroupSpread | undefined;
  readonly scored: ScoredPairs;
}

export interface Evaluation {
  /** The raw similarity first. */
  readonly results: readonly Result[];
  /** The false accept rate of the thresholds of identification, groups and flipped pairs. */
  readonly threshold: number;
  readonly warnings: readonly string[];
}

/** Below so many impostor pairs above the threshold a figure rests on chance. */
const FEW = 10;

/**
 * Every protocol on one collection of labelled photos.
 *
 * @throws FoilbankError FB_IDENTITIES_TOO_FEW, FB_FAR_TOO_SMALL (of the thresholds), FB_SUPPORT_EMPTY, FB_CANCELLED, and what the pool throws
 */
export async function evaluateCollection(
  pool: InferencePool,
  embeddings: UnitMatrix,
  identities: Identities,
  { alignments, resamples, pairs, groups, threshold = 1e-4, signal, onProgress }: CollectionOptions,
): Promise<Evaluation> {
  if (identities.impostor > 0 && threshold < smallestFar(identities.impostor))
    throw new FoilbankError('FB_FAR_TOO_SMALL', {
      ...{
        far: threshold,
        impostors: identities.impostor,
        smallest: smallestFar(identities.impostor).toExponential(1),
      },
    });
  const scored = await scoreAllPairs(pool, embeddings, identities, alignments, {
    signal,
    ...(onProgress ? { onProgress } : {}),
  });
  const judged = scored.map((s) => operatingPoints(s, identities, [...FARS, threshold], resamples));
  const thresholds = judged.map((points) => points.at(-1)!.threshold);
  const identification = await identify(pool, embeddings, identities, alignments, { thresholds, signal });
  const errors = await equalErrors(pool, embeddings, identities, alignments, scored, resamples);
  const spreads =
    groups && (await groupSpreads(pool, embeddings, identities, groups, alignments, thresholds));
  const results = alignments.map(({ settings, estimator, k, stats }, i) => ({
    ...{ settings, estimator, k, points: judged[i]!.slice(0, -1), scored: scored[i]! },
    equalError: errors[i]!,
    folds: pairs && foldAccuracy(scoresOfTrials(embeddings, pairs, { settings, stats }), pairs.genuine),
    identification: identification[i]!,
    groups: spreads?.[i],
  }));
  return { results, threshold, warnings: farWarnings(identities.impostor) };
}

/** What the number of impostor pairs forbids or weakens. */
export function farWarnings(impostors: number): string[] {
  const tooSmall = FARS.filter((far) => far < smallestFar(impostors));
  const weak = FARS.filter((far) => far >= smallestFar(impostors) && Math.floor(far * impostors) < FEW);
  const list = (fars: readonly number[]) => fars.map((far) => far.toExponential()).join(' and ');
  return [
    ...(tooSmall.length === 0
      ? []
      : [
          `FAR ${list(tooSmall)}: ${impostors} impostor pairs show none below ${smallestFar(impostors).toExponential(1)}`,
        ]),
    ...(weak.length === 0
      ? []
      : [`FAR ${list(weak)}: fewer than ${FEW} of ${impostors} impostor pairs decide the figure`]),
  ];
}
