import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bunchedVectors } from '../../bench/support/bunched-vectors.js';
import { FileStore, type Manifest, openBank, publishBank, verifyBank } from '../../src/bank/index.js';
import { InferencePool } from '../../src/onnx/index.js';
import { buildBank, calibrateBank, comparePairs, learnBank, openSupport } from '../../src/pipeline/index.js';
import { resolveOperatorSettings } from '../../src/scoring/index.js';
import { temporaryFolder, tinyNetworks } from '../support/networks.js';
import { draftOf, someCandidates } from '../unit/bank/fixtures.js';

const d = 16;
const K = 24;
const pool = new InferencePool({ threads: 1 });
let folder: string;
let store: FileStore;
let learned: Manifest;

async function publish(bank: string, rows: number): Promise<Manifest> {
  const table = someCandidates(rows, d);
  table.embeddings.set(bunchedVectors({ rows, dimension: d, seed: 1 }).data);
  const draft = draftOf(table);
  const parameters = { ...draft.parameters, operator: 'standardise/1', neighbours: K };
  return publishBank(store, bank, { ...draft, parameters, files: { 'preview.png': Buffer.from('png') } });
}
const learn = (bank = 'faces', more: Partial<Parameters<typeof learnBank>[0]> = {}) =>
  learnBank({ pool, store, bank, lessons: 2000, steps: 150, ...more });

beforeAll(async () => {
  folder = await temporaryFolder();
  store = new FileStore(join(folder, 'banks'));
  await publish('faces', 900);
  learned = await learn();
});
afterAll(async () => {
  await pool.close();
  await rm(folder, { recursive: true });
});

const people = bunchedVectors({ rows: 60, dimension: d, seed: 3 });

describe('learnBank', () => {
  it('publishes the network beside the same candidates and files, with a model card', async () => {
    expect(learned.version).toBe('000002');
    expect(learned.files.map(({ path }) => path)).toEqual([
      'candidates/000000.arrow',
      'learned.onnx',
      'preview.png',
    ]);
    expect(learned.parameters.learned).toMatchObject({
      ...{ estimator: 'learned/1', neighbours: K, candidates: 900, source: 'gaussian', lessons: 2000 },
    });
    const { errorOfR, steps } = learned.parameters.learned!;
    expect(errorOfR).toBeLessThan(0.6);
    expect(steps).toBeLessThanOrEqual(150);
    const [before, after] = await Promise.all(
      ['000001', '000002'].map((version) => openBank(store, 'faces', { version })),
    );
    expect(after!.candidates.embeddings).toEqual(before!.candidates.embeddings);
    expect((await verifyBank(store, 'faces')).problems).toEqual([]);
  });

  it('serves wherever an estimator is taken, and names itself', async () => {
    const support = await openSupport(pool, store, 'faces', { estimator: 'learned' });
    const [found, truth] = [await support.estimator.estimate(people), await support.virtual.estimate(people)];
    const settings = resolveOperatorSettings({ operator: 'standardise' });
    const [comparison] = await comparePairs(support.estimator, people, [[0, 1]], settings);
    expect(comparison).toMatchObject({ estimator: 'learned/1', k: K, outside: [false, false] });
    expect(comparison!.discrepancies[0].r).toBe(found.r[0]);
    for (let i = 0; i < people.rows; i++) expect(Math.abs(found.r[i]! - truth.r[i]!)).toBeLessThan(0.1);
    await support.close();
  });

  it('is not asked for another K, nor where nothing was learned', async () => {
    const absent = { code: 'FB_LEARNED_ABSENT' };
    const asked = { estimator: 'learned' } as const;
    await expect(openSupport(pool, store, 'faces', { ...asked, k: K + 1 })).rejects.toMatchObject(absent);
    await expect(openSupport(pool, store, 'faces', { ...asked, version: '000001' })).rejects.toMatchObject(
      absent,
    );
    const support = await openSupport(pool, store, 'faces', { estimator: 'learned-or-virtual', k: K + 1 });
    expect(support.estimator).toBe(support.virtual);
    expect(support.warnings).toContainEqual(
      expect.stringContaining('learned for K 24; the bank is looked up'),
    );
    await support.close();
  });

  it('is learned anew from the version in service, the old network going with the old version', async () => {
    const again = await learn('faces', { steps: 20 });
    expect(again.version).toBe('000003');
    expect(again.files.filter(({ path }) => path === 'learned.onnx')).toHaveLength(1);
    expect(again.parameters.learned!.steps).toBeLessThanOrEqual(20);
  });

  it('learns draws of the mixture where the bank has one, and is forgotten when the bank is calibrated anew', async () => {
    await publish('calibrated', 400);
    const sample = bunchedVectors({ rows: 300, dimension: d, seed: 8 });
    await calibrateBank({ pool, store, bank: 'calibrated', sample });
    const { parameters } = await learn('calibrated', { steps: 20 });
    expect(parameters.calibration.kind).not.toBe('none');
    expect(parameters.learned?.source).toBe(
      parameters.calibration.kind === 'mixture' ? 'mixture' : 'gaussian',
    );
    const next = await calibrateBank({ pool, store, bank: 'calibrated', sample });
    expect(next.parameters.learned).toBeUndefined();
    expect(next.files.map(({ path }) => path)).not.toContain('learned.onnx');
  });

  it('goes with a bank through its refreshes: new faces are learned anew, as before', async () => {
    const networks = await tinyNetworks(join(folder, 'models'));
    const build = (epoch: number) =>
      buildBank({
        ...{ pool, store, bank: 'blobs', networks, epoch },
        options: { size: 256, chunkSize: 128, minimumScore: 0, firstSeed: epoch * 2 ** 32 },
      });
    await build(0);
    const before = await learn('blobs', { lessons: 600, steps: 30 });
    const { manifest } = await build(1);
    expect(manifest.inputs.seeds.epoch).toBe(1);
    expect(manifest.parameters.learned).toMatchObject({ lessons: 600, mostSteps: 30 });
    const hash = ({ files }: Manifest) => files.find(({ path }) => path === 'learned.onnx')?.sha256;
    expect(hash(manifest)).toMatch(/^[0-9a-f]{64}$/);
    expect(hash(manifest)).not.toBe(hash(before));
    const support = await openSupport(pool, store, 'blobs', { estimator: 'learned' });
    expect(support.estimator.name).toBe('learned/1');
    await support.close();
  });

  it('stopped on the way publishes nothing', async () => {
    for (const step of ['asking', 'learning'] as const) {
      const stop = new AbortController();
      const before = (await openBank(store, 'faces')).version;
      const stopped = learn('faces', {
        signal: stop.signal,
        onProgress: (at) => at === step && stop.abort(),
      });
      await expect(stopped).rejects.toMatchObject({ code: 'FB_CANCELLED' });
      expect((await openBank(store, 'faces')).version).toBe(before);
    }
  });

  it('refuses a bank too small to be worth it, and options out of range', async () => {
    await publish('few', 100);
    await expect(learn('few')).rejects.toMatchObject({
      code: 'FB_LEARN_TOO_FEW',
      details: { bank: 'few', candidates: 100, needed: 250 },
    });
    await expect(learn('faces', { lessons: 10 })).rejects.toMatchObject({ code: 'FB_OPTION_INVALID' });
    await expect(learn('faces', { steps: Number.NaN })).rejects.toMatchObject({ code: 'FB_OPTION_INVALID' });
  });

  it('a damaged network is refused by its hash; the bank is looked up only where that was allowed', async () => {
    const { version } = await openBank(store, 'faces');
    const file = join(folder, 'banks', 'faces', 'versions', version, 'learned.onnx');
    const bytes = await readFile(file);
    bytes[bytes.length >> 1]! ^= 1;
    await writeFile(file, bytes);
    await expect(openSupport(pool, store, 'faces', { estimator: 'learned' })).rejects.toMatchObject({
      code: 'FB_BANK_CORRUPT',
    });
    const support = await openSupport(pool, store, 'faces', { estimator: 'learned-or-virtual' });
    expect(support.estimator).toBe(support.virtual);
    expect(support.warnings).toContainEqual(expect.stringMatching(/learned\.onnx is damaged.*looked up/));
    await support.close();
    const plain = await openSupport(pool, store, 'faces');
    expect(plain.estimator.name).toBe('virtual/1');
    await plain.close();
  });
});
