import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  FileStore,
  listVersions,
  openBank,
  PartFolder,
  publishBank,
  rollbackBank,
  showBank,
  verifyBank,
} from '../../../src/bank/index.js';
import { draftOf, someCandidates, someDirectory, someStore } from './fixtures.js';

const files = { 'index.hnsw': Buffer.alloc(3000, 'hnsw'), 'preview.webp': Buffer.from('picture') };

/** Two versions, a rollback and a part: every kind of file there is. */
async function someBank(): Promise<{ directory: string; store: FileStore }> {
  const directory = await someDirectory();
  const store = new FileStore(directory);
  for (const salt of [1, 2])
    await publishBank(store, 'bank', draftOf(someCandidates(60, 8, salt), { files }));
  await rollbackBank(store, 'bank');
  const sha256 = 'a'.repeat(64);
  const gates = { minimumScore: 0.5, duplicateCeiling: 0.95 };
  const recipe = { generatorSha256: sha256, embedderSha256: sha256, psi: 1, chunkSize: 64, gates };
  const part = { candidates: someCandidates(10, 8), rejected: { score: 54 } };
  await new PartFolder(store, 'bank', recipe, 8).save({ first: 0, count: 64 }, part);
  return { directory, store };
}

describe('verifying', () => {
  it('finds nothing wrong with a bank that is whole', async () => {
    const { store } = await someBank();
    const { problems, versions, files: count, bytes } = await verifyBank(store, 'bank');
    expect(problems).toEqual([]);
    expect([...versions].sort()).toEqual(['000001', '000002']);
    expect(count).toBe(2 * 3 + 2);
    expect(bytes).toBeGreaterThan(2 * 3000);
  });

  it('finds a single flipped bit in any file, and names the file', async () => {
    const { directory, store } = await someBank();
    const objects = (await store.list('bank')).filter((o) => o.bytes > 0);
    expect(objects.map((o) => o.key.replace(/\/parts\/.*\//, '/parts/…/'))).toMatchInlineSnapshot(`
      [
        "bank/CURRENT",
        "bank/parts/…/0000000000000000-64.arrow",
        "bank/parts/…/0000000000000000-64.arrow.sha256",
        "bank/published/00000001",
        "bank/published/00000002",
        "bank/published/00000003",
        "bank/versions/000001/candidates/000000.arrow",
        "bank/versions/000001/index.hnsw",
        "bank/versions/000001/manifest.json",
        "bank/versions/000001/preview.webp",
        "bank/versions/000002/candidates/000000.arrow",
        "bank/versions/000002/index.hnsw",
        "bank/versions/000002/manifest.json",
        "bank/versions/000002/preview.webp",
      ]
    `);
    await fc.assert(
      fc.asyncProperty(fc.nat(objects.length - 1), fc.nat(), fc.nat(7), async (which, where, bit) => {
        const { key, bytes } = objects[which]!;
        const file = join(directory, key);
        const sound = await readFile(file);
        const damaged = Buffer.from(sound);
        damaged[where % bytes]! ^= 1 << bit;
        await writeFile(file, damaged);
        const { problems } = await verifyBank(store, 'bank');
        await writeFile(file, sound);
        expect(problems.map((p) => p.file)).toEqual([key.replace(/\.sha256$/, '')]);
        expect(problems[0]?.reason.length).toBeGreaterThan(0);
      }),
      { numRuns: 120 },
    );
    expect((await verifyBank(store, 'bank')).problems).toEqual([]);
  }, 120_000);

  it('finds a file that is gone, cut short, or that nobody wrote', async () => {
    const { directory, store } = await someBank();
    const version = join(directory, 'bank/versions/000002');
    await rm(join(version, 'preview.webp'));
    await writeFile(join(version, 'index.hnsw'), 'short');
    await writeFile(join(version, 'candidates/extra.arrow'), 'x');
    const { problems } = await verifyBank(store, 'bank');
    expect(problems.map((p) => p.file).sort()).toEqual([
      'bank/versions/000002/candidates/extra.arrow',
      'bank/versions/000002/index.hnsw',
      'bank/versions/000002/preview.webp',
    ]);
    expect((await verifyBank(store, 'bank', { version: '000001' })).problems).toEqual([]);
  });

  it('says that there is no such bank or version', async () => {
    const { store } = await someBank();
    await expect(verifyBank(store, 'other')).rejects.toMatchObject({ code: 'FB_BANK_NOT_FOUND' });
    await expect(verifyBank(store, 'bank', { version: '000009' })).rejects.toMatchObject({
      code: 'FB_BANK_VERSION_NOT_FOUND',
    });
  });

  it('stops when it is told to', async () => {
    const { store } = await someBank();
    await expect(verifyBank(store, 'bank', { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'FB_CANCELLED',
    });
  });
});

describe('a damaged bank', () => {
  it('does not open, and says which file', async () => {
    const { directory, store } = await someBank();
    for (const file of [
      'CURRENT',
      'versions/000001/manifest.json',
      'versions/000001/candidates/000000.arrow',
    ]) {
      const sound = await readFile(join(directory, 'bank', file));
      const damaged = Buffer.from(sound);
      damaged[damaged.length >> 1]! ^= 4;
      await writeFile(join(directory, 'bank', file), damaged);
      await expect(openBank(store, 'bank'), file).rejects.toMatchObject({
        code: 'FB_BANK_CORRUPT',
        details: { file: `bank/${file}` },
      });
      await writeFile(join(directory, 'bank', file), sound);
    }
  });

  it('with a damaged CURRENT opens again after a rollback or a publication', async () => {
    for (const repair of [
      (store: FileStore) => rollbackBank(store, 'bank', { version: '000002' }),
      (store: FileStore) => publishBank(store, 'bank', draftOf(someCandidates(5))),
    ]) {
      const { directory, store } = await someBank();
      await writeFile(join(directory, 'bank/CURRENT'), 'rubbish');
      const { version } = await repair(store);
      expect((await openBank(store, 'bank')).version).toBe(version);
    }
  });

  it('is listed with the manifest that is damaged left out', async () => {
    const { directory, store } = await someBank();
    await writeFile(join(directory, 'bank/versions/000002/manifest.json'), '{}');
    const listed = await listVersions(store, 'bank');
    expect(listed.map((v) => [v.version, v.inService, v.manifest !== undefined])).toEqual([
      ['000001', true, true],
      ['000002', false, false],
    ]);
    await expect(showBank(store, 'bank', '000002')).rejects.toMatchObject({ code: 'FB_BANK_CORRUPT' });
  });
});

describe('rolling back', () => {
  it('serves the newest older version, step by step, until there is none', async () => {
    const store = await someStore();
    for (const salt of [1, 2, 3]) await publishBank(store, 'bank', draftOf(someCandidates(5, 8, salt)));
    expect((await rollbackBank(store, 'bank')).version).toBe('000002');
    expect((await rollbackBank(store, 'bank')).version).toBe('000001');
    expect((await openBank(store, 'bank')).version).toBe('000001');
    await expect(rollbackBank(store, 'bank')).rejects.toMatchObject({
      code: 'FB_BANK_VERSION_NOT_FOUND',
      details: { version: expect.stringContaining('older than 000001') },
    });
    expect((await rollbackBank(store, 'bank', { version: '000003' })).version).toBe('000003');
    expect((await openBank(store, 'bank')).version).toBe('000003');
    expect((await publishBank(store, 'bank', draftOf(someCandidates(5)))).version).toBe('000004');
  });

  it('refuses a version that is damaged, and the version in service stays', async () => {
    const { directory, store } = await someBank();
    await writeFile(join(directory, 'bank/versions/000002/index.hnsw'), 'damaged');
    await expect(rollbackBank(store, 'bank', { version: '000002' })).rejects.toMatchObject({
      code: 'FB_BANK_CORRUPT',
      details: { file: 'bank/versions/000002/index.hnsw' },
    });
    expect((await openBank(store, 'bank')).version).toBe('000001');
  });

  it('says that there is no such bank', async () => {
    await expect(rollbackBank(await someStore(), 'bank')).rejects.toMatchObject({
      code: 'FB_BANK_NOT_FOUND',
    });
  });
});
