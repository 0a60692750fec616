import { describe, expect, it } from 'vitest';
import { candidateId, FIRST_DRAWN_SEED, rowOf } from '../../../src/bank/index.js';

describe('rowOf', () => {
  const seeds = Float64Array.of(0, 3, 17, 2 ** 40, FIRST_DRAWN_SEED, FIRST_DRAWN_SEED + 5);

  it('finds every candidate by its name', () => {
    expect([...seeds].map((seed) => rowOf(seeds, candidateId(seed)))).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it.each([
    'c1',
    'c18',
    'd1',
    'c03',
    'c',
    'x3',
    '3',
    'c3 ',
    'c-3',
    'c3.0',
    `c${FIRST_DRAWN_SEED}`,
    'd9007199254740991',
    '',
  ])('finds nobody by %j', (name) => {
    expect(rowOf(seeds, name)).toBeUndefined();
  });
});
