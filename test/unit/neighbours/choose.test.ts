import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseEngine, exactAbove } from '../../../src/neighbours/index.js';

const size = fc.integer({ min: 1, max: 10_000_000 });
const k = fc.integer({ min: 1, max: 4096 });

describe('chooseEngine', () => {
  it('takes exact search for small banks and HNSW for large ones with a small K', () => {
    expect(chooseEngine({ candidates: 20_000, k: 16 })).toBe('exact');
    expect(chooseEngine({ candidates: 1_000_000, k: 16 })).toBe('hnsw');
  });

  it('never turns back to exact search as the bank grows, nor to HNSW as K grows', () => {
    fc.assert(
      fc.property(size, k, fc.nat(1_000_000), fc.nat(4096), (n, few, grown, more) => {
        const choice = chooseEngine({ candidates: n, k: few });
        if (choice === 'hnsw') expect(chooseEngine({ candidates: n + grown, k: few })).toBe('hnsw');
        else expect(chooseEngine({ candidates: n, k: few + more })).toBe('exact');
      }),
    );
  });
});

describe('a bank that has an index', () => {
  it.each([
    [250_001, 16],
    [450_000, 16],
    [450_001, 64],
    [500_000, 64],
    [500_001, 256],
  ])('of %i candidates is searched exactly above a K of %i', (candidates, most) => {
    expect(exactAbove({ candidates, k: 16 })).toBe(most);
    expect(exactAbove({ candidates, k: most })).toBe(most);
    expect(chooseEngine({ candidates, k: most })).toBe('hnsw');
    expect(chooseEngine({ candidates, k: most + 1 })).toBe('exact');
  });

  it.each([
    [250_000, 16],
    [450_000, 17],
    [500_001, 257],
  ])('of %i candidates for a K of %i, which it was asked for by name, serves every K', (candidates, k) => {
    expect(exactAbove({ candidates, k })).toBe(Number.POSITIVE_INFINITY);
  });
});
