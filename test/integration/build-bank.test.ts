import { createHash } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FileStore, listVersions, openBank } from '../../src/bank/index.js';
import { InferencePool } from '../../src/onnx/index.js';
import {
  type BuildOptions,
  buildBank,
  comparePairs,
  type Networks,
  openSupport,
  type Progress,
} from '../../src/pipeline/index.js';
import { resolveOperatorSettings } from '../../src/scoring/index.js';
import { UnitMatrix } from '../../src/vectors/index.js';
import { temporaryFolder, tinyNetworks } from '../support/networks.js';

const pool = new InferencePool({ threads: 2 });
let folder: string;
let networks: Networks;
beforeAll(async () => {
  folder = await temporaryFolder();
  networks = await tinyNetworks(join(folder, 'models'));
});
afterAll(async () => {
  await pool.close();
  await rm(folder, { recursive: true });
});

// The brought-along generator makes blobs, so no detector score is asked for.
const options: Partial<BuildOptions> = { size: 150, chunkSize: 64, minimumScore: 0 };
const storeNamed = (name: string) => new FileStore(join(folder, name));
const build = (store: FileStore, more: Partial<Parameters<typeof buildBank>[0]> = {}) =>
  buildBank({ pool, store, bank: 'blobs', networks, options, ...more });

/** Hashes of all files of a version but the manifest, which holds the time. */
async function filesOf(store: string, version: string): Promise<Record<string, string>> {
  const root = join(folder, store, 'blobs', 'versions', version);
  const names = (await readdir(root, { recursive: true, withFileTypes: true })).filter((e) => e.isFile());
  const hashes = names
    .filter((e) => e.name !== 'manifest.json')
    .map(async (e) => [
      e.name,
      createHash('sha256')
        .update(await readFile(join(e.parentPath, e.name)))
        .digest('hex'),
    ]);
  return Object.fromEntries((await Promise.all(hashes)) as [string, string][]);
}

describe('buildBank', () => {
  it('says that the version in service is damaged; by force it builds a whole one in its place', async () => {
    const store = storeNamed('damaged');
    await build(store);
    await writeFile(join(store.location, 'blobs/versions/000001/manifest.json'), '{');
    await expect(build(store)).rejects.toMatchObject({
      code: 'FB_BANK_CORRUPT',
      remedy: expect.stringContaining('foilbank bank build --force'),
    });
    const { manifest } = await build(store, { force: true });
    expect(manifest).toMatchObject({ version: '000002', counts: { accepted: 150 } });
    expect((await openBank(store, 'blobs')).version).toBe('000002');
  });

  it('publishes as many candidates as were asked for, from generators and embedders brought along', async () => {
    const store = storeNamed('first');
    const seen: Progress[] = [];
    const { manifest, built } = await build(store, { onProgress: (p) => seen.push(p) });
    expect(built).toBe(true);
    expect(manifest.counts.accepted).toBe(150);
    expect(manifest.inputs.embedder).toMatchObject({ name: 'tiny-arcface', dimension: 512 });
    const { candidates } = await openBank(store, 'blobs');
    expect(candidates.seeds.length).toBe(150);
    expect(seen.at(-1)?.done).toBe(seen.at(-1)?.total);
  });

  it('gives the same bytes again, whatever the number of threads', async () => {
    const single = new InferencePool({ threads: 1 });
    const { manifest } = await build(storeNamed('again'), { pool: single });
    await single.close();
    expect(await filesOf('again', manifest.version)).toEqual(await filesOf('first', '000001'));
  });

  it('takes up what an interruption left, and ends with the same bytes', async () => {
    const store = storeNamed('interrupted');
    const controller = new AbortController();
    const interrupted = build(store, {
      signal: controller.signal,
      onProgress: ({ done }) => {
        if (done >= 128) controller.abort();
      },
    });
    await expect(interrupted).rejects.toMatchObject({ code: 'FB_CANCELLED' });
    await expect(openBank(store, 'blobs')).rejects.toMatchObject({ code: 'FB_BANK_NOT_FOUND' });
    let first: Progress | undefined;
    const { manifest } = await build(store, {
      onProgress: (p) => {
        first ??= p;
      },
    });
    expect(first?.done).toBeGreaterThanOrEqual(64);
    expect(await filesOf('interrupted', manifest.version)).toEqual(await filesOf('first', '000001'));
  });

  it('leaves a bank alone that has the same inputs already, unless it is forced', async () => {
    const store = storeNamed('first');
    expect(await build(store)).toMatchObject({ built: false, manifest: { version: '000001' } });
    expect(await build(store, { force: true })).toMatchObject({
      built: true,
      manifest: { version: '000002' },
    });
    expect((await listVersions(store, 'blobs')).map((v) => [v.version, v.inService])).toEqual([
      ['000001', false],
      ['000002', true],
    ]);
  });

  it('knows the same graph under a card that feeds it otherwise as another network', async () => {
    const shifted = { ...networks.generator.card.align, translation: [5, 5] };
    const moved = await tinyNetworks(join(folder, 'moved'), { generator: { align: shifted } });
    expect(await build(storeNamed('first'), { networks: moved })).toMatchObject({ built: true });
  });

  it('counts what each gate turned away, and every seed once', async () => {
    const { manifest } = await build(storeNamed('gated'), { options: { ...options, duplicateCeiling: 0.9 } });
    const { generated, accepted, rejected } = manifest.counts;
    expect(rejected.nearDuplicate).toBeGreaterThan(0);
    expect(accepted + Object.values(rejected).reduce((a, b) => a + b, 0)).toBe(generated);
    const { candidates } = await openBank(storeNamed('gated'), 'blobs');
    const rows = UnitMatrix.adopt(candidates.embeddings, candidates.dimension);
    for (let a = 0; a < rows.rows; a++)
      for (let b = 0; b < a; b++) expect(rows.similarity(a, rows, b)).toBeLessThanOrEqual(0.9 + 1e-6);
  });

  it('gives up with the figures when the generator makes no faces', async () => {
    const detect = await tinyNetworks(join(folder, 'detect'), { generator: { align: { mode: 'detect' } } });
    const request = {
      networks: detect,
      options: { ...options, size: 1, chunkSize: 128, minimumScore: 0.5 },
    };
    await expect(build(storeNamed('none'), request)).rejects.toMatchObject({
      code: 'FB_YIELD_TOO_LOW',
      details: { accepted: 0, generated: 128 },
    });
  }, 120_000);

  it('sees the colour order of the embedder: RGB and BGR give other embeddings', async () => {
    const input = { ...networks.embedder.card.input, colour: 'rgb' };
    const swapped = await tinyNetworks(join(folder, 'swapped'), { embedder: { input } });
    await build(storeNamed('swapped'), { networks: swapped });
    const [bgr, rgb] = await Promise.all(
      ['first', 'swapped'].map((name) => openBank(storeNamed(name), 'blobs')),
    );
    expect(rgb?.candidates.embeddings).not.toEqual(bgr?.candidates.embeddings);
  });

  it.each([
    ['size', { size: 0 }],
    ['psi', { psi: 9 }],
    ['neighbours', { neighbours: 151 }],
    ['minimumScore', { minimumScore: Number.NaN }],
    ['engine', { engine: 'magic' as 'exact' }],
    ['operator', { operator: 'magic' as 'shift' }],
  ])('refuses the option %s out of range, naming it', async (option, change) => {
    await expect(build(storeNamed('refused'), { options: { ...options, ...change } })).rejects.toMatchObject({
      code: 'FB_OPTION_INVALID',
      details: { option },
    });
  });
});

describe('openSupport and comparePairs', () => {
  it.each(['exact', 'hnsw'] as const)('find look-alikes and align with engine %s', async (engine) => {
    const store = storeNamed(`engine-${engine}`);
    await build(store, { options: { ...options, engine, neighbours: 20 } });
    const support = await openSupport(pool, store, 'blobs', { k: 20 });
    const rows = UnitMatrix.adopt(support.bank.candidates.embeddings, 512);
    const query = rows.gather([3, 4]);
    const estimate = await support.estimator.estimate(query, {
      exclude: { identities: [support.identity(3)] },
      neighbours: true,
    });
    // An index that was asked for serves every K.
    for (const k of [20, 40]) {
      const [set] = await support.search.find(query, { k });
      expect(set?.searched.engine).toBe(engine);
    }
    expect(estimate.n[0]).toBe(20);
    expect(estimate.neighbours?.[0]?.rows).not.toContain(3);
    const [compared] = await comparePairs(
      support.estimator,
      query,
      [[0, 1]],
      resolveOperatorSettings({ operator: 'shift' }),
    );
    const [a, b] = compared?.discrepancies ?? [];
    expect(compared?.raw).toBeCloseTo(rows.similarity(3, rows, 4), 5);
    expect(compared?.aligned).toBeCloseTo((compared?.raw ?? 0) - ((a?.r ?? 0) + (b?.r ?? 0)) / 2, 6);
    expect(support.warnings.join()).toContain('not calibrated');
    await support.close();
  });
});
