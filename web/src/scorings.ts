import type { Scoring } from '../../src/gen/index.js';

type Way = Pick<Scoring, 'operator' | 'estimator' | 'k' | 'lambda'>;

const ESTIMATORS: Readonly<Record<string, string>> = {
  virtual: 'virtual faces',
  cohort: 'real strangers',
  learned: 'what was learned',
};

/** What a way of scoring is called. */
export function nameOf({ operator, estimator, k, lambda }: Way): string {
  if (estimator === '') return 'raw similarity';
  const [by = '', from = ''] = [operator, estimator].map((id) => id.split('/')[0]);
  const strength = by === 'shift' && lambda !== 0 && lambda !== 1 ? ` λ ${lambda}` : '';
  return `${by}${strength}, ${ESTIMATORS[from] ?? from}, K ${k}`;
}

/** Impostor pairs from which on a rate rests on more than chance. */
const ENOUGH = 10n;

/** The true accept rate at the smallest false accept rate that enough impostor pairs decide. */
function strictest({ points }: Scoring): number {
  const sure = points.filter(({ accepted }) => accepted >= ENOUGH).at(-1) ?? points[0];
  return sure?.tar?.value ?? 0;
}

/** Curves that can be told apart: raw, what the version recommends, and the best that each estimator could do. */
export function curvesOf(scorings: readonly Scoring[]): Scoring[] {
  const [raw, ...others] = scorings;
  const best = new Map<string, Scoring>();
  for (const scoring of others) {
    const held = best.get(scoring.estimator);
    if (!held || strictest(scoring) > strictest(held)) best.set(scoring.estimator, scoring);
  }
  const recommended = others.filter((scoring) => scoring.recommended);
  return [...new Set([...(raw ? [raw] : []), ...recommended, ...best.values()])];
}
