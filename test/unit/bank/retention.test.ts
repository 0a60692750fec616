import { cp, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readWhole, sha256Of } from '../../../src/bank/hashing.js';
import {
  type BankStore,
  FileStore,
  listVersions,
  openBank,
  PartFolder,
  pinVersion,
  pruneBank,
  publishBank,
  rollbackBank,
  showBank,
  unpinVersion,
  verifyBank,
} from '../../../src/bank/index.js';
import { FoilbankError } from '../../../src/errors.js';
import { CREATED, draftOf, someCandidates, someDirectory } from './fixtures.js';
import { steppingFs } from './stepping-fs.js';

async function bankOf(versions: number): Promise<{ directory: string; store: FileStore }> {
  const directory = await someDirectory();
  const store = new FileStore(directory);
  for (let salt = 1; salt <= versions; salt++)
    await publishBank(store, 'bank', draftOf(someCandidates(6, 8, salt)), { createdAt: CREATED });
  return { directory, store };
}

async function copyOf(base: string): Promise<string> {
  const directory = await someDirectory();
  await cp(base, directory, { recursive: true, preserveTimestamps: true });
  return directory;
}

async function contents(store: BankStore): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const { key } of await store.list('')) all[key] = sha256Of((await readWhole(store, key)) ?? '');
  return all;
}

/** Whatever was done, the version in service opens, everything kept is whole, and nothing removed is in service. */
async function expectWhole(directory: string): Promise<string> {
  const store = new FileStore(directory);
  const { version } = await openBank(store, 'bank');
  expect((await verifyBank(store, 'bank')).problems).toEqual([]);
  for (const summary of await listVersions(store, 'bank')) {
    if (summary.inService) expect(summary.version).toBe(version);
    expect(summary.inService && summary.removed).toBe(false);
    expect(summary.manifest === undefined).toBe(summary.removed);
  }
  return version;
}

describe('pruning', () => {
  it('keeps the newest versions, those pinned, and that in service', async () => {
    const { directory, store } = await bankOf(7);
    await rollbackBank(store, 'bank', { version: '000003' });
    await pinVersion(store, 'bank', '000001');
    await pinVersion(store, 'bank', '000001');
    const pruned = await pruneBank(store, 'bank', { keep: 2 });
    expect(pruned).toMatchObject({ versions: ['000002', '000004', '000005'], unfinished: [], parts: [] });
    expect(pruned.bytes).toBeGreaterThan(3000);
    expect(await store.folders('bank/versions')).toEqual(['000001', '000003', '000006', '000007']);
    expect(await expectWhole(directory)).toBe('000003');
    const listed = await listVersions(store, 'bank');
    expect(listed.filter((v) => v.pinned).map((v) => v.version)).toEqual(['000001']);
    expect(listed.filter((v) => v.removed).map((v) => v.version)).toEqual(pruned.versions);
    await unpinVersion(store, 'bank', '000001');
    expect((await pruneBank(store, 'bank', { keep: 2 })).versions).toEqual(['000001']);
    expect((await pruneBank(store, 'bank', { keep: 2 })).versions).toEqual([]);
  });

  it('leaves removed versions known as removed', async () => {
    const { store } = await bankOf(3);
    await pruneBank(store, 'bank', { keep: 1 });
    const calls = [
      () => openBank(store, 'bank', { version: '000001' }),
      () => showBank(store, 'bank', '000001'),
      () => verifyBank(store, 'bank', { version: '000001' }),
      () => rollbackBank(store, 'bank', { version: '000001' }),
      () => pinVersion(store, 'bank', '000001'),
    ];
    for (const call of calls)
      await expect(call()).rejects.toMatchObject({
        code: 'FB_BANK_VERSION_REMOVED',
        details: { version: '000001', versions: '000003' },
      });
    await expect(rollbackBank(store, 'bank')).rejects.toMatchObject({ code: 'FB_BANK_VERSION_NOT_FOUND' });
    expect((await publishBank(store, 'bank', draftOf(someCandidates(5)))).version).toBe('000004');
  });

  it('of an attempt that was published makes a repeated try say so, not publish again', async () => {
    const { store } = await bankOf(0);
    const attempt = { id: 'a', at: CREATED };
    await publishBank(store, 'bank', draftOf(someCandidates(5)), { attempt });
    await publishBank(store, 'bank', draftOf(someCandidates(6)));
    await pruneBank(store, 'bank', { keep: 1 });
    await expect(publishBank(store, 'bank', draftOf(someCandidates(5)), { attempt })).rejects.toMatchObject({
      code: 'FB_BANK_VERSION_REMOVED',
    });
  });

  it('removes the parts of builds that nobody works on', async () => {
    const { directory, store } = await bankOf(1);
    const sha256 = 'a'.repeat(64);
    const gates = { minimumScore: 0.5, duplicateCeiling: 0.95 };
    const [old, young] = [0.7, 1].map(
      (psi) =>
        new PartFolder(
          store,
          'bank',
          { generatorSha256: sha256, embedderSha256: sha256, psi, chunkSize: 64, gates },
          8,
        ),
    );
    const range = { first: 0, count: 64 };
    const part = { candidates: someCandidates(10, 8), rejected: { score: 54 } };
    await old?.save(range, part);
    await young?.save(range, part);
    const past = new Date(Date.now() - 8 * 24 * 3_600_000);
    for (const suffix of ['', '.sha256'])
      await utimes(join(directory, `${old?.key(range)}${suffix}`), past, past);
    expect((await pruneBank(store, 'bank', { keep: 1 })).parts).toHaveLength(1);
    expect(await old?.load(range)).toBeUndefined();
    expect(await young?.load(range)).toBeDefined();
  });

  it('refuses a bank whose log is damaged, one that is not there, and to keep none', async () => {
    const { store } = await bankOf(3);
    await expect(pruneBank(store, 'bank', { keep: 0 })).rejects.toMatchObject({ code: 'FB_OPTION_INVALID' });
    await expect(pruneBank(store, 'other', { keep: 1 })).rejects.toMatchObject({ code: 'FB_BANK_NOT_FOUND' });
    await expect(pinVersion(store, 'bank', '000009')).rejects.toMatchObject({
      code: 'FB_BANK_VERSION_NOT_FOUND',
    });
    await expect(pruneBank(store, 'bank', { keep: 1, signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'FB_CANCELLED',
    });
    await store.write('bank/published/00000002', Buffer.from('damaged'));
    await expect(pruneBank(store, 'bank', { keep: 1 })).rejects.toMatchObject({ code: 'FB_BANK_CORRUPT' });
    expect(await store.folders('bank/versions')).toHaveLength(3);
  });
});

describe('pruning that ends before any one step', () => {
  it('leaves a whole bank, and the next pruning ends as an undisturbed one', async () => {
    const { directory: base } = await bankOf(4);
    const quiet = await copyOf(base);
    await pruneBank(new FileStore(quiet), 'bank', { keep: 2 });
    const wanted = await contents(new FileStore(quiet));
    for (let failAt = 1; ; failAt++) {
      const directory = await copyOf(base);
      let step = 0;
      const fs = steppingFs(() => {
        if (++step >= failAt) throw Object.assign(new Error('EIO: injected'), { code: 'EIO' });
      });
      const outcome: unknown = await pruneBank(new FileStore(directory, fs), 'bank', { keep: 2 }).catch(
        (e: unknown) => e,
      );
      const failed = step >= failAt;
      if (failed) expect(outcome).toBeInstanceOf(FoilbankError);
      expect(await expectWhole(directory)).toBe('000004');
      const store = new FileStore(directory);
      await pruneBank(store, 'bank', { keep: 2 });
      // Where the copy that saves readers from listing was lost, the next record renews it.
      const { 'bank/CURRENT': _, ...rest } = wanted;
      expect(await contents(store), `step ${failAt}`).toMatchObject(rest);
      expect(Object.keys(await contents(store))).toEqual(Object.keys(wanted));
      if (!failed) break;
    }
  }, 120_000);
});

describe('pruning beside other work', () => {
  it('never removes what a rollback puts into service, however their steps fall', async () => {
    const { directory: base } = await bankOf(4);
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(6), { minLength: 8, maxLength: 40 }), async (pauses) => {
        const directory = await copyOf(base);
        let step = 0;
        const store = () =>
          new FileStore(
            directory,
            steppingFs(async () => {
              for (let left = pauses[step++ % pauses.length] ?? 0; left > 0; left--)
                await new Promise((resolve) => setImmediate(resolve));
            }),
          );
        const [pruned, rolledBack] = await Promise.allSettled([
          pruneBank(store(), 'bank', { keep: 1 }),
          rollbackBank(store(), 'bank', { version: '000002' }),
        ]);
        expect(pruned.status).toBe('fulfilled');
        const version = await expectWhole(directory);
        expect(version).toBe(rolledBack.status === 'fulfilled' ? '000002' : '000004');
        seen.add(version);
      }),
      { numRuns: 60 },
    );
  }, 120_000);

  it('that stops before any one step sees what happened meanwhile', async () => {
    const { directory: base } = await bankOf(4);
    const outcomes = { kept: 0, refused: 0 };
    for (let at = 1; ; at++) {
      const directory = await copyOf(base);
      const store = new FileStore(directory);
      let step = 0;
      let go = (): void => {};
      const released = new Promise<void>((resolve) => {
        go = resolve;
      });
      let reached = (): void => {};
      const stopped = new Promise<boolean>((resolve) => {
        reached = () => resolve(false);
      });
      const fs = steppingFs(async () => {
        if (++step !== at) return;
        reached();
        await released;
      });
      const pruning = pruneBank(new FileStore(directory, fs), 'bank', { keep: 1 });
      const finished = await Promise.race([pruning.then(() => true), stopped]);
      await pinVersion(store, 'bank', '000003').catch(() => {});
      const version = await rollbackBank(store, 'bank', { version: '000002' }).then(
        (manifest) => manifest.version,
        (error: unknown) => {
          // Removed, or its files are going: refused either way.
          expect(error).toMatchObject({ code: 'FB_BANK_VERSION_REMOVED' });
          return '000004';
        },
      );
      go();
      await pruning;
      expect(await expectWhole(directory), `step ${at}`).toBe(version);
      const pinned = (await listVersions(store, 'bank')).filter((v) => v.pinned);
      for (const { removed } of pinned) expect(removed).toBe(false);
      outcomes[version === '000002' ? 'kept' : 'refused'] += 1;
      if (finished) break;
    }
    expect(outcomes.kept).toBeGreaterThan(3);
    expect(outcomes.refused).toBeGreaterThan(10);
  }, 120_000);

  it('does not get in the way of a publication under way', async () => {
    const { directory, store } = await bankOf(3);
    class Slow extends FileStore {
      override async writeNew(key: string, body: Uint8Array): Promise<boolean> {
        if (key.startsWith('bank/published/')) {
          await pinVersion(store, 'bank', '000001');
          await pruneBank(store, 'bank', { keep: 1 });
        }
        return super.writeNew(key, body);
      }
    }
    const { version } = await publishBank(new Slow(directory), 'bank', draftOf(someCandidates(9)));
    expect(version).toBe('000004');
    expect(await expectWhole(directory)).toBe('000004');
    const listed = await listVersions(store, 'bank');
    expect(listed.filter((v) => v.removed).map((v) => v.version)).toEqual(['000002']);
  });
});
