import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AlignScoresResponseSchema } from '../../../src/gen/index.js';
import { alignScore, OPERATORS, operatorId, resolveOperatorSettings } from '../../../src/scoring/index.js';
import { curveOf, explain, neededRaw } from '../../../web/src/explain.js';

const usual = { mean: 0.9, deviation: 0.01 };
const told = (r: [number, number], more: Partial<Parameters<typeof explain>[0]> = {}) =>
  explain({ raw: 0.94, r, usual, operator: 'standardise', ...more });

describe('why a score moved', () => {
  it.each<[string, [number, number], RegExp]>([
    [
      'close look-alikes on both sides',
      [0.93, 0.92],
      /^Both faces have closer look-alikes .*less than it seems\.$/,
    ],
    ['two unusual faces', [0.87, 0.88], /^Both faces are unusual.*more than it seems\.$/],
    ['two usual faces', [0.901, 0.899], /hardly moves\.$/],
    ['one of each', [0.93, 0.87], /against each other\.$/],
    ['close look-alikes of A alone', [0.93, 0.9], /^A has closer look-alikes.*a little less/],
    ['an unusual B', [0.9, 0.87], /^B is unusual.*a little more/],
  ])('is told for %s', (_, r, expected) => {
    expect(told(r)).toMatch(expected);
  });

  it('says nothing about what is usual where that is not known, and that nothing was moved where nothing was', () => {
    expect(told([0.93, 0.92], { usual: undefined })).not.toMatch(/usual/);
    expect(told([0.93, 0.92], { operator: 'none' })).toMatch(/leaves scores as they are/);
  });

  it('ends with what the pair needs, and whether it has it', () => {
    const decided = { needed: 0.932, falseMatchRate: 1e-4 };
    expect(told([0.9, 0.9], { decided })).toMatch(
      /1 in 10,000 this pair needs 0\.932; it has more: the same person\.$/,
    );
    expect(told([0.9, 0.9], { raw: 0.93, decided })).toMatch(/it has less: different people\.$/);
  });
});

describe('the raw similarity that a pair needs', () => {
  it('reaches just the threshold, whatever the operator', () => {
    const cosine = fc.double({ min: -0.9, max: 0.9, noNaN: true });
    const sigma = fc.double({ min: 0.005, max: 0.2, noNaN: true });
    const side = fc.record({ r: cosine, n: fc.constant(64), sigma });
    const asked = [fc.constantFrom(...OPERATORS), side, side, fc.record({ r: cosine, sigma })] as const;
    fc.assert(
      fc.property(...asked, fc.double({ min: -3, max: 6, noNaN: true }), (name, a, b, typical, threshold) => {
        const settings = resolveOperatorSettings({ operator: name });
        const answer = create(AlignScoresResponseSchema, {
          ...{ operator: operatorId(name), left: [a], right: [b], typical },
        });
        const needed = neededRaw(curveOf(answer)!, threshold);
        expect(alignScore(settings, needed, a, b, typical).aligned).toBeCloseTo(threshold, 6);
      }),
    );
  });

  it('is not told by an operator that the studio does not know', () => {
    expect(curveOf(create(AlignScoresResponseSchema, { operator: 'newer/7' }))).toBeUndefined();
  });
});
