import { readFile, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { joinTables, keepRows, PartFolder, type PartRecipe, sliceTable } from '../../../src/bank/index.js';
import { hashOf, someCandidates, someStore } from './fixtures.js';

const recipe: PartRecipe = {
  generatorSha256: 'a'.repeat(64),
  embedderSha256: 'b'.repeat(64),
  psi: 0.7,
  chunkSize: 512,
  gates: { minimumScore: 0.5, duplicateCeiling: 0.95 },
};
const range = { first: 512, count: 512 };
const part = { candidates: someCandidates(100, 8, 1, 512), rejected: { score: 400, detection: 12 } };

describe('a part', () => {
  it('comes back as it was saved, and only for its recipe and seeds', async () => {
    const store = await someStore();
    const parts = new PartFolder(store, 'bank', recipe, 8);
    expect(await parts.load(range)).toBeUndefined();
    await parts.save(range, part);
    const loaded = await new PartFolder(store, 'bank', { ...recipe }, 8).load(range);
    expect(loaded?.rejected).toEqual(part.rejected);
    expect(loaded && hashOf(loaded.candidates)).toBe(hashOf(part.candidates));
    const others: Partial<PartRecipe>[] = [
      { generatorSha256: 'c'.repeat(64) },
      { embedderSha256: 'c'.repeat(64) },
      { detectorSha256: 'c'.repeat(64) },
      { psi: 0.71 },
      { chunkSize: 256 },
      { gates: { ...recipe.gates, minimumScore: 0.6 } },
    ];
    for (const other of others)
      expect(await new PartFolder(store, 'bank', { ...recipe, ...other }, 8).load(range)).toBeUndefined();
    expect(await parts.load({ first: 512, count: 511 })).toBeUndefined();
    expect(await parts.load({ first: 1024, count: 512 })).toBeUndefined();
  });

  it('of seeds that were all turned away is a part too', async () => {
    const parts = new PartFolder(await someStore(), 'bank', recipe, 8);
    await parts.save(range, { candidates: someCandidates(0), rejected: { detection: 512 } });
    expect((await parts.load(range))?.candidates.seeds).toHaveLength(0);
  });

  it('has the same bytes whenever it is made', async () => {
    const store = await someStore();
    const parts = new PartFolder(store, 'bank', recipe, 8);
    await parts.save(range, part);
    const file = await store.localFile(parts.key(range));
    const bytes = await readFile(file);
    await parts.save(range, { ...part, rejected: { detection: 12, score: 400 } });
    expect((await readFile(file)).equals(bytes)).toBe(true);
  });

  it('that lost its seal, or had any byte of either file flipped, is to be made again', async () => {
    const store = await someStore();
    const parts = new PartFolder(store, 'bank', recipe, 8);
    await parts.save(range, part);
    for (const key of [parts.key(range), `${parts.key(range)}.sha256`]) {
      const file = await store.localFile(key);
      const bytes = await readFile(file);
      for (let at = 0; at < bytes.length; at += key.endsWith('256') ? 1 : 97) {
        const damaged = Buffer.from(bytes);
        damaged[at]! ^= 0x20;
        await writeFile(file, damaged);
        expect(await parts.load(range)).toBeUndefined();
      }
      await store.remove(key);
      expect(await parts.load(range)).toBeUndefined();
      await writeFile(file, bytes);
      expect(await parts.load(range)).toBeDefined();
    }
  });

  it('is refused when it does not account for its seeds', async () => {
    const parts = new PartFolder(await someStore(), 'bank', recipe, 8);
    const wrong = [
      { ...part, rejected: { score: 1 } },
      { ...part, candidates: someCandidates(100, 8, 1, 511) },
      { ...part, candidates: someCandidates(100, 8, 1, 1000) },
      { ...part, candidates: someCandidates(100, 9, 1, 512) },
    ];
    for (const other of wrong)
      await expect(parts.save(range, other)).rejects.toMatchObject({ code: 'FB_BANK_DRAFT_INVALID' });
  });

  it('is known as missing when it or its seal is not there', async () => {
    const store = await someStore();
    const parts = new PartFolder(store, 'bank', recipe, 8);
    const next = { ...range, first: range.first + range.count };
    expect(await parts.missing([range, next])).toEqual([range, next]);
    await parts.save(range, part);
    expect(await parts.missing([range, next])).toEqual([next]);
    await store.remove(`${parts.key(range)}.sha256`);
    expect(await parts.missing([range])).toEqual([range]);
  });

  it('goes when its seeds are cleared, and no other part', async () => {
    const store = await someStore();
    const parts = new PartFolder(store, 'bank', recipe, 8);
    const others = new PartFolder(store, 'bank', { ...recipe, psi: 1 }, 8);
    await parts.save(range, part);
    await others.save(range, part);
    await parts.clear([{ ...range, first: range.first + range.count }]);
    expect(await parts.load(range)).toBeDefined();
    await parts.clear([range]);
    expect(await parts.load(range)).toBeUndefined();
    expect(await others.load(range)).toBeDefined();
  });
});

describe('tables of candidates', () => {
  it('join end to end, and keep the rows asked for', async () => {
    const whole = someCandidates(5000);
    const joined = await joinTables([
      sliceTable(whole, 0, 7),
      sliceTable(whole, 7, 7),
      sliceTable(whole, 7, 5000),
    ]);
    expect(hashOf(joined)).toBe(hashOf(whole));
    const rows = Uint32Array.from({ length: 2400 }, (_, i) => 2 * i + 1);
    const kept = await keepRows(joined, rows);
    expect(kept.seeds).toEqual(Float64Array.from(rows, (row) => whole.seeds[row]!));
    expect(kept.scores.at(-1)).toBe(whole.scores[rows.at(-1)!]);
    expect(kept.embeddings.subarray(-8)).toEqual(whole.embeddings.subarray(8 * 4799, 8 * 4800));
    expect(kept.embeddings).toHaveLength(2400 * 8);
  });

  it('of different dimensions do not join', async () => {
    await expect(joinTables([someCandidates(2, 8), someCandidates(2, 9)])).rejects.toMatchObject({
      code: 'FB_BANK_DRAFT_INVALID',
    });
  });
});
