import type { DiscrepancyEstimate, Estimator } from '../discrepancy/index.js';
import type { InferencePool } from '../onnx/index.js';
import type { OperatorName, OperatorSettings } from '../scoring/index.js';
import type { UnitMatrix } from '../vectors/index.js';
import { scoreAllPairs } from './all-pairs.js';
import { balancedTrials } from './balanced-trials.js';
import { alignmentsOf, FARS, type NamedAlignment } from './collection.js';
import { type Identities, identitiesOf } from './identities.js';
import { operatingPoints } from './operating-points.js';
import { foldAccuracy } from './pair-folds.js';
import { scoresOfTrials } from './pair-trials.js';
import { shuffled } from './random.js';
import { IdentityResamples, type Interval, intervalOf } from './resampling.js';

/** Pairs of one person that accuracy is measured on, where there are so many; and the fewest that ten folds need. */
const MOST_PAIRS = 3000;
const FEWEST_PAIRS = 10;
/** Draws of pairs that accuracy is averaged over: of one draw a difference to raw has a standard error of .2 points a split (docs/accuracy.md). */
const DRAWS = 10;

/** Photos of half of the people, and who they show. */
export interface Half {
  readonly embeddings: UnitMatrix;
  readonly labels: readonly string[];
}

export interface SplitsOptions {
  readonly splits: number;
  readonly resamples: number;
  readonly seed?: number;
  readonly operators?: readonly OperatorName[];
  readonly lambda?: number;
  readonly signal?: AbortSignal | undefined;
  onProgress?(done: number, total: number): void;
}

/** What is made from the half that nobody is tested on. */
export interface HalfEstimators {
  readonly estimators: readonly Estimator[];
  /** Estimators with an operator of their own, chosen on this half too. As many for every half. */
  readonly chosen?: readonly { readonly estimator: Estimator; readonly settings: OperatorSettings }[];
  close(): Promise<void>;
}

/** The figures of one way of scoring, over all splits. */
export interface SplitRow {
  readonly operator: OperatorName | 'chosen';
  readonly estimator: string | undefined;
  /** Undefined for the raw similarity, and where each split has its own. */
  readonly k: number | undefined;
  /** For each of {@link FARS}. */
  readonly points: readonly {
    readonly far: number;
    /** Mean over the splits. */
    readonly tar: number;
    /** 95 % of that mean, by resampling identities. */
    readonly interval: Interval | undefined;
    /** Of each split. */
    readonly each: readonly number[];
    /** The mean over the splits in every resample. */
    readonly draws: Float64Array;
  }[];
  /** Ten-fold accuracy on as many pairs of one person as of two, of each split, mean over ten draws of the pairs; NaN below ten. */
  readonly accuracies: readonly number[];
}

/**
 * The protocol for anything that learns from photos: people are halved at random, estimators are made from one half, and true accept
 * rates are taken on the other; several times, and averaged. A person keeps his weight in a resample through all splits, so that
 * intervals are those of the mean.
 *
 * @param make estimators from the calibration half
 */
export async function evaluateSplits(
  pool: InferencePool,
  whole: Half,
  make: (calibration: Half, split: number) => Promise<HalfEstimators>,
  options: SplitsOptions,
): Promise<SplitRow[]> {
  const { splits, resamples, seed = 1, operators, lambda, signal, onProgress } = options;
  const identities = identitiesOf(whole.labels);
  const sums: {
    row: Omit<SplitRow, 'points' | 'accuracies'>;
    each: number[][];
    draws: Float64Array[];
    accuracies: number[];
  }[] = [];
  for (let split = 0; split < splits; split++) {
    const [calibration, test] = halvesOf(identities, seed * 1000 + split);
    const labels = labelsAt(whole.labels, test);
    const made = await make(
      { embeddings: whole.embeddings.gather(calibration), labels: labelsAt(whole.labels, calibration) },
      split,
    );
    try {
      const tested = whole.embeddings.gather(test);
      const of = identitiesOf(labels);
      const ask = signal ? { signal } : {};
      const estimates: DiscrepancyEstimate[] = [];
      for (const estimator of made.estimators) estimates.push(await estimator.estimate(tested, ask));
      const rows: (NamedAlignment & { readonly name: SplitRow['operator'] })[] = alignmentsOf(
        test.length,
        estimates,
        operators,
        lambda,
      ).map((one) => ({ ...one, name: one.settings.operator }));
      for (const { estimator, settings } of made.chosen ?? []) {
        const stats = await estimator.estimate(tested, ask);
        rows.push({ settings, stats, estimator: stats.estimator, k: undefined, name: 'chosen' });
      }
      const scored = await scoreAllPairs(pool, tested, of, rows, { histogram: false, signal });
      const weights = new IdentityResamples(of.names, resamples, seed);
      const trials = Array.from({ length: of.genuine < FEWEST_PAIRS ? 0 : DRAWS }, (_, i) =>
        balancedTrials(of, MOST_PAIRS, (seed + split) * DRAWS + i),
      );
      rows.forEach((alignment, i) => {
        const { name, estimator, k } = alignment;
        const points = operatingPoints(scored[i]!, of, FARS, weights);
        sums[i] ??= {
          row: { operator: name, estimator, k },
          each: FARS.map(() => []),
          draws: FARS.map(() => new Float64Array(resamples)),
          accuracies: [],
        };
        const accuracies = trials.map(
          (pairs) => foldAccuracy(scoresOfTrials(tested, pairs, alignment), pairs.genuine).accuracy,
        );
        sums[i].accuracies.push(accuracies.reduce((sum, x) => sum + x, 0) / accuracies.length);
        points.forEach(({ tar, draws }, at) => {
          sums[i]!.each[at]!.push(tar);
          draws.forEach((value, draw) => {
            sums[i]!.draws[at]![draw]! += value / splits;
          });
        });
      });
    } finally {
      await made.close();
    }
    onProgress?.(split + 1, splits);
  }
  return sums.map(({ row, each, draws, accuracies }) => ({
    ...row,
    accuracies,
    points: FARS.map((far, at) => {
      const tar = each[at]!.reduce((sum, x) => sum + x, 0) / splits;
      const interval = Number.isNaN(tar) ? undefined : intervalOf(draws[at]!);
      return { far, tar, interval, each: each[at]!, draws: draws[at]! };
    }),
  }));
}

/** Photos of half of the people, and of the others. */
function halvesOf({ names, of }: Identities, seed: number): [Uint32Array, Uint32Array] {
  const first = new Uint8Array(names.length);
  for (const identity of shuffled(names.length, seed).subarray(0, names.length >> 1)) first[identity] = 1;
  const photos = Uint32Array.from(of.keys());
  return [photos.filter((i) => first[of[i]!] === 1), photos.filter((i) => first[of[i]!] === 0)];
}

const labelsAt = (labels: readonly string[], rows: Uint32Array): string[] =>
  Array.from(rows, (row) => labels[row]!);

/** The share of the reference's gain over raw that a row reaches: g = (TAR − raw) / (reference − raw). */
export function gainOf(
  row: SplitRow,
  raw: SplitRow,
  reference: SplitRow,
  at: number,
): { readonly g: number; readonly interval: Interval | undefined } {
  const [x, zero, one] = [row.points[at]!, raw.points[at]!, reference.points[at]!];
  const draws = x.draws.map((tar, i) => (tar - zero.draws[i]!) / (one.draws[i]! - zero.draws[i]!));
  return { g: (x.tar - zero.tar) / (one.tar - zero.tar), interval: intervalOf(draws) };
}
