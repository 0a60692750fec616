import { FoilbankError } from '../errors.js';
import { type Discrepancy, type DiscrepancyStats, SIGMA_FLOOR, type Typical } from './discrepancy-stats.js';
import {
  type Formula,
  formulaOf,
  OPERATORS,
  type OperatorName,
  type OperatorSettings,
  operatorId,
} from './formulas.js';

/** @throws FoilbankError FB_OPTION_INVALID */
export function resolveOperatorSettings(options: Partial<OperatorSettings> = {}): OperatorSettings {
  const settings = { operator: 'standardise' as OperatorName, lambda: 1, ...options };
  if (!OPERATORS.includes(settings.operator))
    throw new FoilbankError('FB_OPTION_INVALID', {
      option: 'operator',
      value: settings.operator,
      expected: `one of ${OPERATORS.join(', ')}`,
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
  /** s*(a, b). `none` and `shift` stay on the scale of a similarity, `standardise` and `fuse` count standard deviations. */
  readonly aligned: number;
  /** The operator's name and version, for example `standardise/1`. */
  readonly operator: string;
  /** Only of `shift`. */
  readonly lambda?: number;
  /** Only of `standardise` and `fuse`: whether σ(a) or σ(b) lay below {@link SIGMA_FLOOR}. */
  readonly sigmaFloored?: boolean;
}

/**
 * Aligns one similarity, by one of the operators of `formulaOf`. Symmetric in a and b, and grows with the similarity.
 *
 * @param typical only `fuse` needs it
 * @throws FoilbankError FB_SUPPORT_EMPTY when a support set has no candidate; `none` never looks. FB_TYPICAL_UNKNOWN
 */
export function alignScore(
  settings: OperatorSettings,
  raw: number,
  a: Discrepancy,
  b: Discrepancy,
  typical?: Typical,
): AlignedScore {
  const operator = operatorId(settings.operator);
  if (settings.operator !== 'none' && !(a.n >= 1 && b.n >= 1))
    throw new FoilbankError('FB_SUPPORT_EMPTY', { operator });
  const aligned = checkedFormula(settings, typical)(raw, a.r, a.sigma, b.r, b.sigma);
  switch (settings.operator) {
    case 'none':
      return { raw, aligned, operator };
    case 'shift':
      return { raw, aligned, operator, lambda: settings.lambda };
    case 'standardise':
    case 'fuse':
      return { raw, aligned, operator, sigmaFloored: Math.min(a.sigma, b.sigma) < SIGMA_FLOOR };
  }
}

/** Many pairs at once: pair i compares embedding `left[i]` with `right[i]`, both rows of the statistics. */
export interface Pairs {
  readonly raw: ArrayLike<number>;
  readonly left: ArrayLike<number>;
  readonly right: ArrayLike<number>;
}

/**
 * {@link alignScore} of every pair.
 *
 * @returns the aligned similarities, in the order of the pairs
 * @throws FoilbankError FB_SUPPORT_EMPTY, FB_TYPICAL_UNKNOWN
 */
export function alignScores(
  settings: OperatorSettings,
  { raw, left, right }: Pairs,
  { r, sigma, n, typical }: DiscrepancyStats,
): Float64Array {
  const formula = checkedFormula(settings, typical);
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

/** @throws FoilbankError FB_TYPICAL_UNKNOWN */
function checkedFormula(settings: OperatorSettings, typical: Typical | undefined): Formula {
  if (settings.operator === 'fuse' && !typical)
    throw new FoilbankError('FB_TYPICAL_UNKNOWN', { operator: operatorId(settings.operator) });
  return formulaOf(settings, typical);
}

/** The operator of an id such as `standardise/1`. @throws FoilbankError FB_OPTION_INVALID for one that this version does not know */
export function operatorOfId(id: string): OperatorName {
  const known = OPERATORS.find((name) => operatorId(name) === id);
  if (known) return known;
  throw new FoilbankError('FB_OPTION_INVALID', {
    ...{ option: 'operator', value: id, expected: `one of ${OPERATORS.map(operatorId).join(', ')}` },
  });
}
