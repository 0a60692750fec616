import { FoilbankError } from '../errors.js';
import type { Discrepancy, DiscrepancyStats } from './discrepancy-stats.js';

/**
 * The discrepancy alignment operator (DAO of arXiv 2103.01559): corrects a similarity by what the neighbourhood of both faces
 * looks like. The paper's abstract names the operator in words; each formula below is ours or of the kin that it names.
 */
export type OperatorName = 'none' | 'shift' | 'standardise';

export interface OperatorSettings {
  readonly operator: OperatorName;
  /** Strength of `shift`, 0..4; 0 leaves the similarity as it is, 1 orders pairs as CSLS does. Other operators ignore it. */
  readonly lambda: number;
}

/** A formula's version changes whenever the same inputs would give another result. */
const VERSIONS: Readonly<Record<OperatorName, number>> = { none: 1, shift: 1, standardise: 1 };

/**
 * `standardise` divides by max(σ, SIGMA_FLOOR). σ → 0 when the support set is a single candidate or all of it is equally
 * similar. Real support sets have σ of 0.004 and more (LFW, K = 16), so the floor keeps scores finite and touches no others.
 */
export const SIGMA_FLOOR = 1e-4;

/** @throws FoilbankError FB_OPTION_INVALID */
export function resolveOperatorSettings(options: Partial<OperatorSettings> = {}): OperatorSettings {
  const settings = { operator: 'standardise' as OperatorName, lambda: 1, ...options };
  if (!Object.hasOwn(VERSIONS, settings.operator))
    throw new FoilbankError('FB_OPTION_INVALID', {
      option: 'operator',
      value: settings.operator,
      expected: `one of ${Object.keys(VERSIONS).join(', ')}`,
    });
  if (!(settings.lambda >= 0 && settings.lambda <= 4))
    throw new FoilbankError('FB_OPTION_INVALID', {
      option: 'lambda',
      value: settings.lambda,
      expected: 'a number from 0 to 4',
    });
  return Object.freeze(settings);
}

export interface AlignedScore {
  /** s(a, b), as it was given. */
  readonly raw: number;
  /** s*(a, b). `none` and `shift` stay on the scale of a similarity; `standardise` counts standard deviations. */
  readonly aligned: number;
  /** The operator's name and version, for example `standardise/1`. */
  readonly operator: string;
  /** Only of `shift`. */
  readonly lambda?: number;
  /** Only of `standardise`: whether σ(a) or σ(b) lay below {@link SIGMA_FLOOR}. */
  readonly sigmaFloored?: boolean;
}

/**
 * Aligns one similarity. Symmetric in a and b.
 *
 * - `none`: s* = s
 * - `shift`: s* = s − λ·(r(a) + r(b))/2; at λ = 1 half of CSLS (Conneau et al. 2018: 2s − r(a) − r(b)), so the same order
 * - `standardise`: s* = ½[(s − r(a))/σ(a) + (s − r(b))/σ(b)], the adaptive symmetric normalisation of speaker verification
 *   (Matějka et al. 2017)
 *
 * @throws FoilbankError FB_SUPPORT_EMPTY when a support set has no candidate; `none` never looks
 */
export function alignScore(
  settings: OperatorSettings,
  raw: number,
  a: Discrepancy,
  b: Discrepancy,
): AlignedScore {
  const operator = operatorId(settings.operator);
  if (settings.operator !== 'none' && !(a.n >= 1 && b.n >= 1))
    throw new FoilbankError('FB_SUPPORT_EMPTY', { operator });
  const aligned = formulaOf(settings)(raw, a.r, a.sigma, b.r, b.sigma);
  switch (settings.operator) {
    case 'none':
      return { raw, aligned, operator };
    case 'shift':
      return { raw, aligned, operator, lambda: settings.lambda };
    case 'standardise':
      return { raw, aligned, operator, sigmaFloored: Math.min(a.sigma, b.sigma) < SIGMA_FLOOR };
  }
}

/** Many pairs at once: pair i compares embedding `left[i]` with `right[i]`, both rows of `stats`. */
export interface Pairs {
  readonly raw: ArrayLike<number>;
  readonly left: ArrayLike<number>;
  readonly right: ArrayLike<number>;
}

/**
 * {@link alignScore} of every pair.
 *
 * @returns the aligned similarities, in the order of the pairs
 * @throws FoilbankError FB_SUPPORT_EMPTY
 */
export function alignScores(
  settings: OperatorSettings,
  { raw, left, right }: Pairs,
  { r, sigma, n }: DiscrepancyStats,
): Float64Array {
  const formula = formulaOf(settings);
  const aligned = new Float64Array(raw.length);
  for (let i = 0; i < aligned.length; i++) {
    const a = left[i]!;
    const b = right[i]!;
    if (settings.operator !== 'none' && !(n[a]! >= 1 && n[b]! >= 1))
      throw new FoilbankError('FB_SUPPORT_EMPTY', { operator: operatorId(settings.operator) });
    aligned[i] = formula(raw[i]!, r[a]!, sigma[a]!, r[b]!, sigma[b]!);
  }
  return aligned;
}

/** Name and version, as replies and manifests carry it. */
export function operatorId(operator: OperatorName): string {
  return `${operator}/${VERSIONS[operator]}`;
}

/** The operator of an id such as `standardise/1`. @throws FoilbankError FB_OPTION_INVALID for one that this version does not know */
export function operatorOfId(id: string): OperatorName {
  const known = (Object.keys(VERSIONS) as OperatorName[]).find((name) => operatorId(name) === id);
  if (known) return known;
  const expected = `one of ${Object.keys(VERSIONS)
    .map((name) => operatorId(name as OperatorName))
    .join(', ')}`;
  throw new FoilbankError('FB_OPTION_INVALID', { option: 'operator', value: id, expected });
}

type Formula = (s: number, rA: number, sigmaA: number, rB: number, sigmaB: number) => number;

function formulaOf({ operator, lambda }: OperatorSettings): Formula {
  switch (operator) {
    case 'none':
      return (s) => s;
    case 'shift':
      return (s, rA, _, rB) => s - (lambda * (rA + rB)) / 2;
    case 'standardise':
      return (s, rA, sigmaA, rB, sigmaB) =>
        ((s - rA) / Math.max(sigmaA, SIGMA_FLOOR) + (s - rB) / Math.max(sigmaB, SIGMA_FLOOR)) / 2;
  }
}
