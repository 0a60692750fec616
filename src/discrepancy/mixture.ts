import { setImmediate } from 'node:timers/promises';
import { throwIfCancelled } from '../errors.js';
import { choleskyOf, type Moments, momentsOf, traceOf, type UnitMatrix } from '../vectors/index.js';

/** One Gaussian of a mixture. */
export interface Component {
  /** Share of the sample, in (0, 1]; those of a mixture sum to 1. */
  readonly weight: number;
  /** [d] */
  readonly mean: Float64Array;
  /** [d, d], positive definite. */
  readonly covariance: Float64Array;
}

export type Mixture = readonly Component[];
type Rows = Pick<UnitMatrix, 'data' | 'dimension' | 'rows'>;

export interface MixtureOptions {
  /** Components to begin with, at least 1. */
  readonly components: number;
  /** Members that a component's own covariance must outweigh: Σ_k = (n_k·S_k + w·S) / (n_k + w), S pooled within components. */
  readonly pooling: number;
  /** A component with fewer members dissolves into the others. */
  readonly fewest: number;
  /** Default 15. */
  readonly iterations?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Added to a covariance's diagonal, as a share of its mean: keeps samples of less than full rank definite. */
const RIDGE = 1e-4;

/**
 * A Gaussian mixture with full covariances by expectation maximisation (Dempster, Laird, Rubin 1977), each covariance shrunk to the
 * one pooled within components. The same sample gives the same mixture.
 *
 * @throws FoilbankError FB_CANCELLED
 */
export async function fitMixture(sample: Rows, options: MixtureOptions): Promise<Mixture> {
  const { signal, pooling, fewest, iterations = 15 } = options;
  let members = hardMembers(sample, nearestCentres(sample, options.components));
  let mixture: Mixture = [];
  for (let iteration = 0; iteration < iterations; iteration++) {
    throwIfCancelled(signal, 'fitting a mixture');
    members = withoutSmall(members, fewest);
    mixture = maximised(
      members.map((weights) => momentsOf(sample, weights)),
      sample.rows,
      pooling,
    );
    members = (await expected(mixture, sample)).members;
    await setImmediate();
  }
  return mixture;
}

/** @returns how much of each row belongs to each component, [k][m], and the mean log density of the rows */
export async function expected(
  mixture: Mixture,
  sample: Rows,
): Promise<{ members: Float64Array[]; logDensity: number }> {
  const logs = [];
  for (const component of mixture) {
    logs.push(logDensities(component, sample));
    await setImmediate();
  }
  let total = 0;
  for (let row = 0; row < sample.rows; row++) {
    let top = Number.NEGATIVE_INFINITY;
    for (const log of logs) top = Math.max(top, log[row]!);
    let sum = 0;
    for (const log of logs) sum += Math.exp(log[row]! - top);
    total += top + Math.log(sum);
    for (const log of logs) {
      const share = Math.exp(log[row]! - top) / sum;
      // In many dimensions nearly every row belongs to one component; the rest is not worth its arithmetic.
      log[row] = share < 1e-9 ? 0 : share;
    }
  }
  return { members: logs, logDensity: total / sample.rows };
}

/** Log density of each row, [m]. */
export function logDensityOf(mixture: Mixture, sample: Rows): Float64Array {
  const logs = mixture.map((component) => logDensities(component, sample));
  return Float64Array.from({ length: sample.rows }, (_, row) => {
    const top = Math.max(...logs.map((log) => log[row]!));
    return top + Math.log(logs.reduce((sum, log) => sum + Math.exp(log[row]! - top), 0));
  });
}

/** log(weight · N(v; mean, covariance)) of every row. */
function logDensities({ weight, mean, covariance }: Component, { data, dimension: d, rows }: Rows) {
  const l = choleskyOf(covariance);
  if (!l) throw new TypeError('the covariance of a component is not positive definite');
  let constant = Math.log(weight) - (d / 2) * Math.log(2 * Math.PI);
  for (let i = 0; i < d; i++) constant -= Math.log(l[i * d + i]!);
  const z = new Float64Array(d);
  const logs = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    let square = 0;
    for (let i = 0; i < d; i++) {
      let x = data[row * d + i]! - mean[i]!;
      for (let j = 0; j < i; j++) x -= l[i * d + j]! * z[j]!;
      x /= l[i * d + i]!;
      z[i] = x;
      square += x * x;
    }
    logs[row] = constant - square / 2;
  }
  return logs;
}

function maximised(parts: readonly Moments[], rows: number, pooling: number): Mixture {
  const size = (parts[0] as Moments).scatter.length;
  const d = Math.sqrt(size);
  const pooled = new Float64Array(size);
  for (const { scatter } of parts) for (let i = 0; i < size; i++) pooled[i]! += scatter[i]! / rows;
  const variance = traceOf(pooled) / d;
  // A sample of one vector over and over has no spread at all.
  for (let i = 0; i < d; i++) pooled[i * d + i]! += RIDGE * variance + 1e-12;
  return parts.map(({ n, mean, scatter }) => ({
    weight: n / rows,
    mean,
    covariance: scatter.map((x, i) => (x + pooling * pooled[i]!) / (n + pooling)),
  }));
}

/** Dissolves components with too few members, but for the largest one. */
function withoutSmall(members: Float64Array[], fewest: number): Float64Array[] {
  const sizes = members.map((weights) => weights.reduce((sum, w) => sum + w, 0));
  const largest = sizes.indexOf(Math.max(...sizes));
  const kept = members.filter((_, k) => k === largest || sizes[k]! >= fewest);
  if (kept.length === members.length) return members;
  const rows = members[0]?.length ?? 0;
  for (let row = 0; row < rows; row++) {
    const sum = kept.reduce((total, weights) => total + weights[row]!, 0);
    for (const weights of kept) weights[row] = sum > 1e-6 ? weights[row]! / sum : 1 / kept.length;
  }
  return kept;
}

const hardMembers = ({ rows }: Rows, [centres, count]: [Uint32Array, number]): Float64Array[] =>
  Array.from({ length: count }, (_, k) =>
    Float64Array.from({ length: rows }, (_, i) => Number(centres[i] === k)),
  );

const LLOYD = 10;

/** k-means (Lloyd) from centres far from each other: which centre each row is nearest to, and their number. */
function nearestCentres({ data, dimension: d, rows }: Rows, components: number): [Uint32Array, number] {
  const count = Math.min(components, rows);
  const distance = (row: number, centre: Float64Array) => {
    let sum = 0;
    for (let i = 0; i < d; i++) sum += (data[row * d + i]! - centre[i]!) ** 2;
    return sum;
  };
  const centres = [Float64Array.from(data.subarray(0, d))];
  const gaps = Float64Array.from({ length: rows }, (_, row) => distance(row, centres[0]!));
  // The row at the middle of the squared distances, not the farthest one: that would be an outlier.
  while (centres.length < count) {
    const half = gaps.reduce((sum, x) => sum + x, 0) / 2;
    let [row, sum] = [0, 0];
    for (; row < rows - 1; row++) {
      sum += gaps[row]!;
      if (sum > half) break;
    }
    const centre = Float64Array.from(data.subarray(row * d, (row + 1) * d));
    centres.push(centre);
    for (let i = 0; i < rows; i++) gaps[i] = Math.min(gaps[i]!, distance(i, centre));
  }
  const nearest = new Uint32Array(rows);
  for (let iteration = 0; iteration < LLOYD; iteration++) {
    const sizes = new Float64Array(count);
    const sums = centres.map(() => new Float64Array(d));
    for (let row = 0; row < rows; row++) {
      let best = 0;
      let least = Number.POSITIVE_INFINITY;
      centres.forEach((centre, k) => {
        const gap = distance(row, centre);
        if (gap < least) [best, least] = [k, gap];
      });
      nearest[row] = best;
      sizes[best]!++;
      for (let i = 0; i < d; i++) sums[best]![i]! += data[row * d + i]!;
    }
    sums.forEach((sum, k) => {
      if (sizes[k]! > 0) centres[k] = sum.map((x) => x / sizes[k]!);
    });
  }
  return [nearest, count];
}

const FOLDS = 4;
/**
 * Added to each variance before densities are compared, as a share of the mean one. Embeddings hardly vary in some directions, which
 * matter to a likelihood as much as the others and to similarities not at all.
 */
const BLUR = 0.02;

/**
 * Mean log density of rows that the mixture was not fitted to, over four folds: how well it describes people nobody showed it.
 */
export async function heldOutDensity(sample: UnitMatrix, options: MixtureOptions): Promise<number> {
  let sum = 0;
  for (let fold = 0; fold < FOLDS; fold++) {
    const [inside, outside] = [true, false].map((wanted) =>
      sample.gather([...Array(sample.rows).keys()].filter((row) => (row % FOLDS !== fold) === wanted)),
    ) as [UnitMatrix, UnitMatrix];
    const fewest = (options.fewest * inside.rows) / sample.rows;
    const mixture = await fitMixture(inside, { ...options, fewest });
    sum += (await expected(mixture.map(blurred), outside)).logDensity * outside.rows;
  }
  return sum / sample.rows;
}

function blurred({ weight, mean, covariance }: Component): Component {
  const d = mean.length;
  const variance = traceOf(covariance) / d;
  return {
    ...{ weight, mean },
    covariance: covariance.map((x, i) => (1 - BLUR) * x + (i % (d + 1) === 0 ? BLUR * variance : 0)),
  };
}
