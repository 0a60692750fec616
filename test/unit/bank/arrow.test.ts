import { makeTable, tableToIPC } from 'apache-arrow';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeCandidates, encodeCandidates } from '../../../src/bank/arrow.js';
import { type CandidateTable, emptyTable } from '../../../src/bank/index.js';
import { hashOf, someCandidates } from './fixtures.js';

async function decoded(bytes: Uint8Array): Promise<CandidateTable> {
  const file = decodeCandidates(bytes, 'x.arrow');
  const table = emptyTable(file.rows, file.dimension);
  await file.copyInto(table, 0);
  return table;
}

describe('candidates as an Arrow file', () => {
  it('come back as they were, whatever the number of rows and the dimension', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 5000 }), fc.integer({ min: 1, max: 9 }), async (rows, d) => {
        const table = someCandidates(rows, d);
        expect(hashOf(await decoded(encodeCandidates(table)))).toBe(hashOf(table));
      }),
      { numRuns: 25 },
    );
  });

  it('keep every seed up to 2^53 − 1', async () => {
    const table = someCandidates(3);
    table.seeds.set([0, 2 ** 32, Number.MAX_SAFE_INTEGER]);
    expect((await decoded(encodeCandidates(table))).seeds).toEqual(table.seeds);
  });

  it('give the same bytes for the same rows and words, in whatever order the words come', () => {
    const table = someCandidates(700);
    const bytes = encodeCandidates(table, { a: '1', b: '2' });
    expect(encodeCandidates(someCandidates(700), { b: '2', a: '1' })).toEqual(bytes);
    expect(decodeCandidates(bytes, 'x').metadata).toEqual({ a: '1', b: '2' });
  });

  it('are read from bytes that begin anywhere in memory', async () => {
    const table = someCandidates(50);
    const bytes = encodeCandidates(table);
    const moved = new Uint8Array(bytes.length + 3);
    moved.set(bytes, 3);
    expect(await decoded(moved.subarray(3))).toEqual(table);
  });

  const damagedRows: Record<string, (t: CandidateTable) => void> = {
    'row 1: the embedding is not of unit length': (t) => t.embeddings.fill(Number.NaN, 8, 9),
    'row 0: the embedding is not of unit length': (t) => t.embeddings.fill(0.9, 0, 8),
    'row 2: seed 8 does not ascend': (t) => t.seeds.fill(8, 1, 3),
    'row 0: psi NaN': (t) => t.psi.fill(Number.NaN, 0, 1),
    'row 1: score 1.5': (t) => t.scores.fill(1.5, 1, 2),
  };
  it.each(Object.entries(damagedRows))('are refused: %s', async (reason, damage) => {
    const table = someCandidates(3);
    damage(table);
    await expect(decoded(encodeCandidates(table))).rejects.toMatchObject({
      code: 'FB_BANK_CORRUPT',
      details: { file: 'x.arrow', reason: expect.stringContaining(reason) },
    });
  });

  it('cut short are refused', async () => {
    const bytes = encodeCandidates(someCandidates(40));
    for (const length of [0, 6, 30, bytes.length - 1])
      await expect(decoded(bytes.slice(0, length))).rejects.toMatchObject({ code: 'FB_BANK_CORRUPT' });
  });

  it('of other columns are refused by their names', async () => {
    const other = tableToIPC(makeTable({ score: Float32Array.of(1), seed: Float32Array.of(1) }), 'file');
    await expect(decoded(other)).rejects.toMatchObject({ code: 'FB_BANK_CORRUPT' });
    const stream = tableToIPC(makeTable({ x: Float32Array.of(1) }), 'stream');
    await expect(decoded(stream)).rejects.toMatchObject({ code: 'FB_BANK_CORRUPT' });
  });
});
