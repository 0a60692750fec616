import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type BankDraft,
  collectGarbage,
  FileStore,
  listBanks,
  listVersions,
  openBank,
  publishBank,
  showBank,
  verifyBank,
} from '../../../src/bank/index.js';
import { CREATED, draftOf, hashOf, someCandidates, someDirectory, someStore } from './fixtures.js';

describe('publishing', () => {
  it('puts a version into service that opens as it was given', async () => {
    const store = await someStore();
    const candidates = someCandidates(3000);
    const manifest = await publishBank(store, 'bank', draftOf(candidates), { createdAt: CREATED });
    const bank = await openBank(store, 'bank');
    expect(bank).toMatchObject({ name: 'bank', version: '000001', manifest });
    expect(hashOf(bank.candidates)).toBe(hashOf(candidates));
    expect(bank.manifest.createdAt).toBe('2024-02-29T12:00:00.000Z');
    expect(await showBank(store, 'bank')).toEqual(manifest);
    expect(await listBanks(store)).toEqual(['bank']);
  });

  it('cuts many candidates into files that give the same table again', async () => {
    const store = await someStore();
    const candidates = someCandidates(5000, 600);
    const { files } = await publishBank(store, 'bank', draftOf(candidates));
    expect(files.map((f) => f.path)).toEqual([
      'candidates/000000.arrow',
      'candidates/000001.arrow',
      'candidates/000002.arrow',
    ]);
    expect(hashOf((await openBank(store, 'bank')).candidates)).toBe(hashOf(candidates));
  });

  it('writes bytes that only the content and the time decide', async () => {
    const [one, two] = [await someDirectory(), await someDirectory()];
    for (const directory of [one, two])
      await publishBank(new FileStore(directory), 'bank', draftOf(someCandidates(50)), {
        createdAt: CREATED,
      });
    for (const file of [
      'CURRENT',
      'versions/000001/manifest.json',
      'versions/000001/candidates/000000.arrow',
    ])
      expect(await readFile(join(one, 'bank', file))).toEqual(await readFile(join(two, 'bank', file)));
  });

  it('names the version on the first line of CURRENT, and the manifest by its hash', async () => {
    const directory = await someDirectory();
    await publishBank(new FileStore(directory), 'bank', draftOf(someCandidates(5)));
    const [version, manifest] = (await readFile(join(directory, 'bank/CURRENT'), 'utf8')).split('\n');
    expect(version).toBe('000001');
    const bytes = await readFile(join(directory, 'bank/versions/000001/manifest.json'));
    expect(manifest).toBe(`manifest ${createHash('sha256').update(bytes).digest('hex')}`);
  });

  it('stores further files from memory or disk, and hands them out only whole', async () => {
    const directory = await someDirectory();
    const store = new FileStore(directory);
    const index = Buffer.alloc(2_500_000, 'hnsw');
    const built = join(await someDirectory(), 'built.hnsw');
    await writeFile(built, index);
    const files = { 'index.hnsw': { localFile: built }, 'preview.webp': Buffer.from('picture') };
    await publishBank(store, 'bank', draftOf(someCandidates(9), { files }));
    const bank = await openBank(store, 'bank');
    const path = (await bank.localFile('index.hnsw')) ?? '';
    expect((await readFile(path)).equals(index)).toBe(true);
    expect(await bank.localFile('learned.onnx')).toBeUndefined();
    index[1_234_567] = 0;
    await writeFile(path, index);
    await expect(bank.localFile('index.hnsw')).rejects.toMatchObject({
      code: 'FB_BANK_CORRUPT',
      details: { file: 'bank/versions/000001/index.hnsw' },
    });
  });

  it('leaves an opened version as it is while newer ones come', async () => {
    const store = await someStore();
    const files = { 'index.hnsw': Buffer.from('first') };
    await publishBank(store, 'bank', draftOf(someCandidates(9, 8, 1), { files }));
    const first = await openBank(store, 'bank');
    await publishBank(store, 'bank', draftOf(someCandidates(9, 8, 2)));
    expect(await readFile((await first.localFile('index.hnsw')) ?? '', 'utf8')).toBe('first');
    expect((await openBank(store, 'bank')).version).toBe('000002');
    expect((await openBank(store, 'bank', { version: '000001' })).candidates).toEqual(first.candidates);
    expect((await listVersions(store, 'bank')).map((v) => [v.version, v.inService])).toEqual([
      ['000001', false],
      ['000002', true],
    ]);
  });

  it('refuses the second of two publications that began together', async () => {
    const store = await someStore();
    let reached = (): void => {};
    let resume = (): void => {};
    const paused = new Promise<void>((resolve) => {
      reached = resolve;
    });
    const go = new Promise<void>((resolve) => {
      resume = resolve;
    });
    async function* slow() {
      reached();
      await go;
      yield Buffer.from('x');
    }
    class Slow extends FileStore {
      override write(key: string, body: Uint8Array | AsyncIterable<Uint8Array>) {
        return super.write(key, key.endsWith('index.hnsw') ? slow() : body);
      }
    }
    const files = { 'index.hnsw': Buffer.from('x') };
    const late = publishBank(new Slow(store.location), 'bank', draftOf(someCandidates(5), { files }));
    await paused;
    await publishBank(store, 'bank', draftOf(someCandidates(6)));
    resume();
    await expect(late).rejects.toMatchObject({
      code: 'FB_BANK_BUSY',
      retryable: true,
      details: { version: '000001' },
    });
    expect((await openBank(store, 'bank')).version).toBe('000002');
    expect(await store.folders('bank/versions')).toEqual(['000002']);
    expect((await verifyBank(store, 'bank')).problems).toEqual([]);
  });

  it('takes no version number twice, whatever became of the first', async () => {
    const store = await someStore();
    const aborted = AbortSignal.abort();
    await expect(
      publishBank(store, 'bank', draftOf(someCandidates(5)), { signal: aborted }),
    ).rejects.toMatchObject({ code: 'FB_CANCELLED' });
    await expect(openBank(store, 'bank')).rejects.toMatchObject({ code: 'FB_BANK_NOT_FOUND' });
    expect(await listBanks(store)).toEqual([]);
    await collectGarbage(store, 'bank', new Date(Date.now() + 60_000));
    const published = await Promise.allSettled(
      Array.from({ length: 6 }, (_, i) => publishBank(store, 'bank', draftOf(someCandidates(5 + i)))),
    );
    const versions = published.flatMap((p) => (p.status === 'fulfilled' ? [p.value.version] : []));
    expect(versions.length).toBeGreaterThan(0);
    for (const p of published) if (p.status === 'rejected') expect(p.reason.code).toBe('FB_BANK_BUSY');
    expect(Math.min(...versions.map(Number))).toBeGreaterThan(1);
    const next = await publishBank(store, 'bank', draftOf(someCandidates(5)));
    expect(next.version).toBe('000008');
    expect((await verifyBank(store, 'bank')).problems).toEqual([]);
  });

  it('removes what it wrote when it is cancelled, and the old version serves on', async () => {
    const store = await someStore();
    await publishBank(store, 'bank', draftOf(someCandidates(5)));
    const abort = new AbortController();
    const cancelled = publishBank(store, 'bank', draftOf(someCandidates(5, 8, 2)), {
      signal: abort.signal,
      onFile: () => abort.abort(),
    });
    await expect(cancelled).rejects.toMatchObject({ code: 'FB_CANCELLED', retryable: true });
    expect(await store.folders('bank/versions')).toEqual(['000001']);
    expect((await openBank(store, 'bank')).version).toBe('000001');
  });

  const wrong: Record<string, (draft: BankDraft) => BankDraft> = {
    'counts.accepted': (d) => ({ ...d, counts: { ...d.counts, accepted: 4 } }),
    'counts.generated': (d) => ({ ...d, counts: { ...d.counts, generated: 4 } }),
    'inputs.embedder.dimension': (d) => ({ ...d, candidates: someCandidates(5, 9) }),
    'inputs.generator.sha256': (d) => ({
      ...d,
      inputs: { ...d.inputs, generator: { ...d.inputs.generator, sha256: 'A' } },
    }),
    'parameters.lambda': (d) => ({ ...d, parameters: { ...d.parameters, lambda: Number.NaN } }),
    candidates: (d) => ({ ...d, candidates: { ...d.candidates, psi: new Float32Array(4) } }),
    files: (d) => ({ ...d, files: { 'candidates/extra.arrow': Buffer.from('x') } }),
    'files.1.path': (d) => ({ ...d, files: { '../../escape': Buffer.from('x'), z: Buffer.from('x') } }),
  };
  it.each(Object.entries(wrong))(
    'refuses a draft with a wrong %s before it writes anything',
    async (field, spoil) => {
      const store = await someStore();
      const draft = spoil(draftOf(someCandidates(5)));
      const refused = publishBank(store, 'bank', draft);
      await expect(refused).rejects.toMatchObject({ code: 'FB_BANK_DRAFT_INVALID' });
      const error = await refused.catch((e: { details: { field: string } }) => e);
      if (field !== 'files.1.path') expect(error).toMatchObject({ details: { field } });
      expect(await store.list('')).toEqual([]);
    },
  );

  it('refuses bank names that are no plain words', async () => {
    const store = await someStore();
    for (const name of [
      '',
      '..',
      '.',
      '../x',
      'a/b',
      'a\\b',
      '/etc',
      '.hidden',
      'Bank',
      'a'.repeat(65),
      'ä',
      'a\0',
    ])
      for (const call of [publishBank(store, name, draftOf(someCandidates(5))), openBank(store, name)])
        await expect(call, name).rejects.toMatchObject({ code: 'FB_BANK_NAME_INVALID' });
  });

  it('says that a further file could not be read, and leaves nothing', async () => {
    const store = await someStore();
    const files = { 'index.hnsw': { localFile: join(store.location, 'nothing') } };
    await expect(publishBank(store, 'bank', draftOf(someCandidates(5), { files }))).rejects.toMatchObject({
      code: 'FB_FILE_UNREADABLE',
    });
    expect(await store.folders('bank/versions')).toEqual([]);
  });
});

describe('opening', () => {
  it('says which versions there are when one is asked for that is not', async () => {
    const store = await someStore();
    await publishBank(store, 'bank', draftOf(someCandidates(5)));
    await publishBank(store, 'bank', draftOf(someCandidates(5)));
    for (const version of ['000003', '../000001', ''])
      await expect(openBank(store, 'bank', { version })).rejects.toMatchObject({
        code: 'FB_BANK_VERSION_NOT_FOUND',
        details: { versions: '000001, 000002' },
      });
  });
});
