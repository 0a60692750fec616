import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { ScoringSchema } from '../../../src/gen/index.js';
import { curvesOf, nameOf } from '../../../web/src/scorings.js';

const scoring = (
  operator: string,
  estimator: string,
  k: number,
  tars: readonly [number, number],
  recommended = false,
) =>
  create(ScoringSchema, {
    ...{ operator, estimator, k, recommended, lambda: 1 },
    points: [
      { far: 1e-3, tar: { value: tars[0] }, accepted: 100n },
      // Five pairs decide it: chance.
      { far: 1e-4, tar: { value: tars[1] }, accepted: 5n },
    ],
  });

describe('curves of an evaluation', () => {
  const raw = scoring('none/1', '', 0, [0.7, 0.5]);
  const bank = [16, 64].map((k, i) =>
    scoring('standardise/1', 'virtual/1', k, [0.8 + i / 100, 0.9 - i / 10]),
  );
  const cohort = scoring('shift/1', 'cohort/1', 16, [0.9, 0.8]);

  it('are raw, the recommended one, and the best of each estimator at the strictest rate that is no chance', () => {
    const recommended = scoring('standardise/1', 'virtual/1', 32, [0.75, 0.6], true);
    expect(curvesOf([raw, recommended, ...bank, cohort])).toEqual([raw, recommended, bank[1], cohort]);
  });

  it('are drawn once, where the recommended one is the best or raw', () => {
    const best = scoring('shift/1', 'virtual/1', 8, [0.85, 0.6], true);
    expect(curvesOf([raw, ...bank, best])).toEqual([raw, best]);
    expect(curvesOf([{ ...raw, recommended: true }])).toHaveLength(1);
    expect(curvesOf([])).toEqual([]);
  });

  it('have names that tell them apart', () => {
    expect([raw, cohort, { ...cohort, lambda: 0.25 }].map(nameOf)).toEqual([
      ...['raw similarity', 'shift, real strangers, K 16', 'shift λ 0.25, real strangers, K 16'],
    ]);
  });
});
