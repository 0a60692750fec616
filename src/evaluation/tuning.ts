import type { DiscrepancyEstimate } from '../discrepancy/index.js';
import { FoilbankError } from '../errors.js';
import type { InferencePool } from '../onnx/index.js';
import type { OperatorSettings } from '../scoring/index.js';
import type { UnitMatrix } from '../vectors/index.js';
import { type Alignment, scoreAllPairs } from './all-pairs.js';
import { FARS, type NamedAlignment } from './collection.js';
import { checkIdentities, type Identities } from './identities.js';
import { bestOf, choicesOf, type HonestGain, halvings, honestGains } from './nested-choice.js';
import { smallestFar } from './operating-points.js';
import type { PairScores } from './pair-scores.js';
import { type PairTrials, scoreTrials } from './pair-trials.js';
import { type Judged, partOfPeople } from './part-of-people.js';
import { IdentityResamples } from './resampling.js';
import { alignmentsToTry } from './tuning-grid.js';

export interface TuningOptions {
  /** False accept rate at which the true accept rate is to be highest. Default: the strictest of 1e-2 to 1e-4 that the photos can carry. */
  readonly far?: number | undefined;
  /** Labelled pairs to judge by. Default: every pair of two photos. */
  readonly pairs?: PairTrials | undefined;
  /** Halvings of the people; both halves of each choose and judge. At least 1, default 5. */
  readonly splits?: number;
  /** Default 400. */
  readonly resamples?: number;
  readonly seed?: number;
  readonly signal?: AbortSignal | undefined;
  onProgress?(done: number, total: number): void;
}

/** An operator with its λ, and the size of the support sets that it looks at. */
export interface TunedSettings extends OperatorSettings {
  /** Undefined for the raw similarity, as is the estimator's name. */
  readonly k: number | undefined;
  readonly estimator: string | undefined;
}

export interface Tuning {
  readonly far: number;
  readonly people: number;
  readonly photos: number;
  /** What all people together chose. */
  readonly chosen: TunedSettings;
  /** Whether it is better than raw with confidence at `far`, and worse with confidence nowhere above. */
  readonly better: boolean;
  /** In a sentence. */
  readonly reason: string;
  /** At each false accept rate that ten impostor pairs of half of the people stand behind, from the largest, and at `far`. */
  readonly gains: readonly HonestGain[];
  /** What each half of the people chose. */
  readonly choices: readonly TunedSettings[];
  /** Every way of scoring and its true accept rate at `far` over all people: of the best ones, chosen and judged by the same people. */
  readonly tried: readonly (TunedSettings & { readonly tar: number })[];
}

/** With fewer people an interval over them says nothing. */
const FEWEST_PEOPLE = 20;
/** Impostor pairs that must be let through for a rate to be the default, or to be shown beside the one asked for. */
const FEWEST_ACCEPTED = 10;
/** Kept of the impostors by their scores, as a multiple of the rate: a half may have more than its share of the high ones. */
const MARGIN = 3;

/**
 * Chooses operator, K and λ by the true accept rate at a false accept rate, and says honestly what the choice gains over raw: half of
 * the people choose, the others judge, both ways and several times.
 *
 * @param estimates r and σ of every photo, one estimate a K and estimator; of equally good ones the first is chosen
 * @throws FoilbankError FB_IDENTITIES_TOO_FEW, FB_TUNING_TOO_FEW, FB_FAR_TOO_SMALL, FB_SUPPORT_EMPTY, FB_CANCELLED, and what the pool throws
 */
export async function tuneAlignment(
  pool: InferencePool,
  embeddings: UnitMatrix,
  identities: Identities,
  estimates: readonly DiscrepancyEstimate[],
  options: TuningOptions = {},
): Promise<Tuning> {
  const { pairs, splits = 5, resamples = 400, seed = 1, signal, onProgress } = options;
  checkIdentities(identities);
  const halves = halvings(identities, splits, seed);
  const ways = alignmentsToTry(embeddings.rows, estimates);
  const score = async (some: readonly Alignment[], highest: number, watched: boolean): Promise<Judged[]> => {
    const scored = pairs
      ? some.map((way) => scoreTrials(embeddings, pairs, way))
      : await scoreAllPairs(pool, embeddings, identities, some, {
          ...{ highest, histogram: false, signal },
          ...(watched && onProgress ? { onProgress } : {}),
        });
    return scored.map((one) => ({ scored: one, identities }));
  };
  const widest = Math.min(1, MARGIN * Math.max(options.far ?? 0, ...FARS));
  const [raw] = await score(ways.slice(0, 1), widest, false);
  checkPeople(raw!);
  const impostors = Math.min(...halves.map((half) => partOfPeople(raw!, half).scored.impostors));
  const far = rateOf(options.far, impostors);
  const all = await score(ways, Math.min(1, MARGIN * far), true);
  const choices = await choicesOf(all, halves, far, signal);
  const fars = [...new Set([...FARS, far])]
    .sort((a, b) => b - a)
    .filter((f) => f === far || f * impostors >= FEWEST_ACCEPTED);
  const needed = [...new Set(choices.map(({ chosen }) => chosen))].filter((way) => way !== 0);
  const wide = new Map([[0, raw!]]);
  const again = await score(
    needed.map((way) => ways[way]!),
    widest,
    false,
  );
  needed.forEach((way, i) => {
    wide.set(way, again[i]!);
  });
  const draws = new IdentityResamples(identities.names, resamples, seed);
  const gains = await honestGains(choices, (way) => wide.get(way)!, fars, draws, signal);
  const { best, rates } = bestOf(all, far);
  const settings = ways.map(settingsOf);
  const [people, photos] = [identities.names.length, embeddings.rows];
  const accepted = Math.floor(far * impostors * (1 + 1e-12));
  const few = accepted < FEWEST_ACCEPTED ? `; only ${accepted} impostor pairs of a half decide` : '';
  return {
    ...{ far, people, photos, chosen: settings[best]!, gains },
    ...verdictOf(settings[best]!, gains, far, `${photos} photos of ${people} people${few}`),
    choices: choices.map(({ chosen }) => settings[chosen]!),
    tried: settings.map((one, i) => ({ ...one, tar: rates[i]! })),
  };
}

const settingsOf = ({ settings, k, estimator }: NamedAlignment): TunedSettings => ({
  ...settings,
  ...{ k, estimator },
});

/** Whether r and σ came from what was learned of a bank, not from looking it up. */
export const isLearned = ({ estimator }: TunedSettings): boolean => estimator?.startsWith('learned') ?? false;

/** @throws FoilbankError FB_TUNING_TOO_FEW */
function checkPeople({ scored, identities }: Judged): void {
  const twice = (some: PairScores) => new Set(Array.from(some.left, (photo) => identities.of[photo])).size;
  const people = twice(scored.genuine);
  if (people < FEWEST_PEOPLE) throw new FoilbankError('FB_TUNING_TOO_FEW', { people, needed: FEWEST_PEOPLE });
}

/**
 * @param impostors pairs of the half that has fewest
 * @throws FoilbankError FB_FAR_TOO_SMALL
 */
function rateOf(asked: number | undefined, impostors: number): number {
  const defaults = [1e-4, 1e-3, 1e-2];
  const far = asked ?? defaults.find((f) => f * impostors >= FEWEST_ACCEPTED) ?? 1e-2;
  if (far * impostors * (1 + 1e-12) >= 1) return far;
  throw new FoilbankError('FB_FAR_TOO_SMALL', {
    ...{ far, impostors, smallest: smallestFar(impostors).toExponential(1) },
  });
}

/** In words: `shift, K 64, λ 0.5`. */
export function wordsOf(settings: TunedSettings): string {
  const { operator, lambda, k } = settings;
  if (operator === 'none') return 'raw';
  return `${operator}, K ${k}${operator === 'shift' ? `, λ ${lambda}` : ''}${isLearned(settings) ? ', learned' : ''}`;
}

const points = (share: number): string => `${share < 0 ? '−' : '+'}${Math.abs(100 * share).toFixed(1)}`;

/** A gain in percent points with its interval. */
export const gainInWords = ({ gain, interval }: Pick<HonestGain, 'gain' | 'interval'>): string =>
  interval ? `${points(gain)} [${points(interval[0])}, ${points(interval[1])}]` : points(gain);

function verdictOf(
  chosen: TunedSettings,
  gains: readonly HonestGain[],
  far: number,
  whom: string,
): Pick<Tuning, 'better' | 'reason'> {
  const at = gains.find((one) => one.far === far)!;
  const lost = gains.find((one) => one.far > far && one.interval && one.interval[1] < 0);
  const measured = `${gainInWords(at)} points over raw at FAR ${far.toExponential()}, by people who had no part in the choice (${whom})`;
  if (chosen.operator === 'none') return { better: false, reason: `no alignment beats raw: ${measured}` };
  const which = wordsOf(chosen);
  if (!at.interval || at.interval[0] <= 0)
    return {
      better: false,
      reason: `no alignment is better with confidence; the best, ${which}: ${measured}`,
    };
  if (lost)
    return {
      better: false,
      reason: `${which}: ${measured}, but ${gainInWords(lost)} at FAR ${lost.far.toExponential()}`,
    };
  return { better: true, reason: `${which}: ${measured}` };
}
