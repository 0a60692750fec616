import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseEngine, hnswUpTo } from '../../../src/neighbours/index.js';

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

  it('takes HNSW up to a K that can be told beforehand', () => {
    fc.assert(
      fc.property(size, k, (candidates, some) => {
        const choice = chooseEngine({ candidates, k: some });
        expect(choice).toBe(some <= hnswUpTo(candidates) ? 'hnsw' : 'exact');
      }),
    );
    expect(hnswUpTo(200_000)).toBe(0);
    expect(hnswUpTo(500_000)).toBe(64);
  });
});
