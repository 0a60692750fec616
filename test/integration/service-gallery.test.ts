import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  FIRST_DRAWN_SEED,
  type FileStore,
  keepEvaluation,
  pinVersion,
  publishBank,
} from '../../src/bank/index.js';
import { errorDetailOf } from '../../src/client.js';
import { fingerprint, InferencePool } from '../../src/onnx/index.js';
import { openSupport, tilesOfSeeds } from '../../src/pipeline/index.js';
import { Generator } from '../../src/synthesis/index.js';
import { UnitMatrix } from '../../src/vectors/index.js';
import { temporaryFolder, tinyNetworks } from '../support/networks.js';
import {
  type Bench,
  crowd,
  packedRows,
  publishCrowd,
  queries,
  startService,
  until,
} from '../support/service.js';
import { draftOf } from '../unit/bank/fixtures.js';

const ROWS = 300;
let bench: Bench;
let models: string;
let generator: Awaited<ReturnType<typeof tinyNetworks>>['generator'];
const codeOf = async (call: Promise<unknown>) =>
  errorDetailOf(await call.then(() => undefined).catch((e: unknown) => e))?.code;

/** A version whose pictures the tiny generator makes; its last candidate is drawn. */
async function publishPictured(store: FileStore, salt: number) {
  const candidates = crowd(ROWS, salt);
  candidates.seeds[ROWS - 1] = FIRST_DRAWN_SEED + 7;
  const { inputs, parameters, counts } = draftOf(candidates);
  return publishBank(
    store,
    'default',
    draftOf(candidates, {
      inputs: {
        ...inputs,
        generator: { ...inputs.generator, name: 'tiny-generator', cardSha256: fingerprint(generator.card) },
      },
      parameters: {
        ...{ ...parameters, neighbours: 16, operator: 'standardise/1' },
        calibration: {
          ...{ kind: 'mixture' as const, samples: 900, components: 8, shrinkage: 0.1, neighboursShare: 0.02 },
          thresholds: [
            { falseMatchRate: 1e-4, threshold: 3.5 },
            { falseMatchRate: 1e-3, threshold: 2.5 },
          ],
          reason: 'it was measured',
        },
        tuning: {
          ...{ falseAcceptRate: 0.001, photos: 60, people: 20, raw: 0.8, aligned: 0.85 },
          ...{ gain: [0.01, 0.09] as [number, number], reason: 'it helps' },
        },
      },
      counts: { ...counts, drawn: 1, generated: counts.generated - 1 },
    }),
  );
}

beforeAll(async () => {
  models = await temporaryFolder();
  ({ generator } = await tinyNetworks(models));
  bench = await startService(
    async (store) => {
      await publishCrowd(store, 'default', 1);
      await publishPictured(store, 2);
      await publishPictured(store, 3);
      await pinVersion(store, 'default', '000001');
    },
    { env: { FOILBANK_MODELS: models } },
  );
});
afterAll(async () => {
  await bench.close();
  await rm(models, { recursive: true });
});

describe('versions', () => {
  it('are listed newest first, with what is in service and what is pinned', async () => {
    const { bank, versions } = await bench.client.gallery.listVersions({});
    expect(bank).toBe('default');
    expect(versions.map((v) => [v.version, v.candidates, v.inService, v.pinned, v.fault])).toEqual([
      ['000003', ROWS, true, false, ''],
      ['000002', ROWS, false, false, ''],
      ['000001', ROWS, false, true, ''],
    ]);
    expect(versions[0]?.createdAt).toBeDefined();
  });

  it('are told whole: gates, parameters, and how the candidates are spread', async () => {
    const told = await bench.client.gallery.getVersion({});
    expect(told).toMatchObject({
      ...{ bank: 'default', version: { version: '000003', inService: true, fault: '' } },
      ...{ generator: 'tiny-generator', dimension: 8, drawn: 1, k: 16, operator: 'standardise/1' },
      ...{
        calibration: 'mixture',
        reason: 'it was measured; it helps',
        rejected: { score: 7, duplicate: 3 },
      },
      gates: [{ name: 'yield', passed: true, value: 0.93, limit: 0.5 }],
    });
    expect(told.tuning).toMatchObject({ people: 20, raw: 0.8, aligned: 0.85, gainFrom: 0.01, gainTo: 0.09 });
    expect(told.bytes).toBeGreaterThan(BigInt(ROWS * 8 * 4));
    const total = (counts: readonly number[]) => counts.reduce((a, b) => a + b, 0);
    expect(total(told.r!.counts)).toBe(ROWS);
    expect(total(told.similarity!.counts)).toBe((ROWS * (ROWS - 1)) / 2);
    // By the library: every candidate against all others.
    const pool = new InferencePool({ threads: 1 });
    const support = await openSupport(pool, bench.store, 'default');
    const { embeddings } = support.bank.candidates;
    const { r } = await support.estimator.estimate(UnitMatrix.adopt(embeddings, 8), {
      exclude: Array.from({ length: ROWS }, (_, row) => ({ rows: [row] })),
    });
    await pool.close();
    expect(told.r!.mean).toBeCloseTo(r.reduce((a, b) => a + b, 0) / ROWS, 6);
    expect(told.r!.from).toBeCloseTo(Math.min(...r), 6);
    expect(told.r!.to).toBeCloseTo(Math.max(...r), 6);
  });

  it('are told without histograms, too, at once', async () => {
    const told = await bench.client.gallery.getVersion({ withoutHistograms: true });
    expect(told).toMatchObject({ generator: 'tiny-generator', version: { version: '000003' } });
    expect([told.r, told.similarity]).toEqual([undefined, undefined]);
  });

  it('come with what evaluations said of them, the newest first, and say which cannot be read', async () => {
    const { gallery } = bench.client;
    expect((await gallery.listEvaluations({})).evaluations).toEqual([]);
    const point = { far: 0.001, tar: 0.843, interval: [0.82, 0.86], accepted: 12, threshold: 3.25 };
    const result = {
      ...{ operator: 'none/1', lambda: null, estimator: null, k: null, recommended: false },
      ...{ points: [point, { ...point, tar: null, interval: null, threshold: null }], roc: [[1, 1]] },
      ...{ equalError: { rate: 0.02, interval: null }, folds: { accuracy: 0.99, error: 0.01 } },
      identification: [{ gallery: 10, rank1: 0.9, fpir: 0.1, tpir: null, tpirAtOnePercent: 0.5 }],
      groups: {
        groups: [{ group: 'old', photos: 7, impostors: 20, genuine: 3, fmr: 0.001, fnmr: null }],
        ...{ worstByBest: 2.5, deviation: 0.1 },
      },
    };
    const document = {
      ...{ bank: 'default', version: '000003', photos: 60, identities: 20, seed: 1, halvings: 0 },
      ...{ pairs: { genuine: 60, impostor: 1710 }, mixedQuality: true, thresholdFar: 1e-3 },
      ...{ results: [result], splits: null, warnings: ['few photos'] },
    };
    await keepEvaluation(bench.store, 'default', undefined, document, new Date(5000));
    await keepEvaluation(bench.store, 'default', undefined, { format: 'of tomorrow' }, new Date(6000));
    const { bank, version, evaluations } = await gallery.listEvaluations({ version: '000003' });
    expect([bank, version]).toEqual(['default', '000003']);
    const [strange, told] = evaluations;
    expect(strange).toMatchObject({
      evaluatedAt: { seconds: 6n },
      fault: expect.stringContaining('version'),
    });
    expect(told).toMatchObject({
      ...{ evaluatedAt: { seconds: 5n }, photos: 60, people: 20, mixedQuality: true, fault: '' },
      ...{ genuinePairs: 60n, impostorPairs: 1710n, warnings: ['few photos'], halved: [] },
      scorings: [
        {
          ...{ operator: 'none/1', estimator: '', k: 0, foldAccuracy: 0.99, worstByBest: 2.5 },
          points: [
            { far: 0.001, tar: { value: 0.843, from: 0.82, to: 0.86 }, threshold: 3.25, accepted: 12n },
            { far: 0.001, tar: {} },
          ],
          identification: [{ gallery: 10, rank1: 0.9 }],
          groups: [{ group: 'old', photos: 7, falseMatchRate: 0.001 }],
        },
      ],
    });
    const unknown = told!.scorings[0]!;
    expect(unknown.points[1]!.tar!.value).toBeUndefined();
    expect(unknown.points[1]!.threshold).toBeUndefined();
    expect(unknown.identification[0]!.tpir).toBeUndefined();
    expect(unknown.groups[0]!.falseNonMatchRate).toBeUndefined();
    expect((await gallery.listEvaluations({ version: '000002' })).evaluations).toEqual([]);
    expect(await codeOf(gallery.listEvaluations({ version: '000009' }))).toBe('FB_BANK_VERSION_NOT_FOUND');
  });

  it('that are damaged are listed with their fault, and asked for they say it', async () => {
    const damaged = join(bench.folder, 'banks/default/versions/000001');
    await rm(join(damaged, 'manifest.json'));
    const { versions } = await bench.client.gallery.listVersions({});
    expect(versions.map((v) => [v.version, v.fault.includes('missing')])).toEqual([
      ['000003', false],
      ['000002', false],
      ['000001', true],
    ]);
    expect(await codeOf(bench.client.gallery.getVersion({ version: '000001' }))).toBe('FB_BANK_CORRUPT');
    const candidates = join(bench.folder, 'banks/default/versions/000002/candidates');
    const [part] = await readdir(candidates);
    await writeFile(join(candidates, part!), 'rubbish');
    const told = await bench.client.gallery.getVersion({ version: '000002' });
    expect(told).toMatchObject({ generator: 'tiny-generator', version: { candidates: ROWS } });
    expect(told.version!.fault).toContain('candidates');
    expect(told.r).toBeUndefined();
  });

  it('that there are not are refused', async () => {
    const { gallery } = bench.client;
    expect(await codeOf(gallery.getVersion({ version: '000009' }))).toBe('FB_BANK_VERSION_NOT_FOUND');
    expect(await codeOf(gallery.listCandidates({ bank: 'others' }))).toBe('FB_BANK_NOT_SERVED');
    expect(await codeOf(gallery.listCandidates({ version: 'x' }))).toBe('FB_REQUEST_INVALID');
  });
});

describe('candidates', () => {
  it('come in pages, in the order of the bank', async () => {
    const { gallery } = bench.client;
    const first = await gallery.listCandidates({ limit: 100 });
    expect(first).toMatchObject({ bank: 'default', version: '000003', total: ROWS });
    expect(first.candidates[0]).toMatchObject({ id: 'c5', seed: 5n, drawn: false });
    const last = await gallery.listCandidates({ offset: 200 });
    expect(last.candidates).toHaveLength(100);
    expect(last.candidates.at(-1)).toMatchObject({ id: 'd7', drawn: true });
    expect((await gallery.listCandidates({ offset: ROWS })).candidates).toEqual([]);
    const middle = await gallery.listCandidates({ offset: 100, limit: 100 });
    const seeds = [...first.candidates, ...middle.candidates, ...last.candidates].map((c) => c.seed);
    expect(new Set(seeds).size).toBe(ROWS);
  });
});

describe('pictures', () => {
  it('are those of their seeds; a drawn candidate has none', async () => {
    const seeds = [5, 8, FIRST_DRAWN_SEED + 7, 5];
    const { pictures } = await bench.client.gallery.getPictures({ seeds: seeds.map(BigInt) });
    expect(pictures.map((p) => Number(p.seed))).toEqual(seeds);
    expect(pictures[2]!.image).toHaveLength(0);
    expect(pictures[3]!.image).toEqual(pictures[0]!.image);
    const pool = new InferencePool({ threads: 1 });
    const tiles = await tilesOfSeeds(pool, await Generator.open(pool, generator), [5, 8], 0.7);
    await pool.close();
    for (const [i, { data }] of tiles.entries()) {
      const { data: shown, info } = await sharp(pictures[i]!.image)
        .raw()
        .toBuffer({ resolveWithObject: true });
      expect([info.format, info.width, info.height, info.channels]).toEqual(['raw', 32, 32, 3]);
      const off = data.reduce((sum, value, at) => sum + Math.abs(value - shown[at]!), 0) / data.length;
      expect(off).toBeLessThan(4);
    }
    expect((await sharp(pictures[0]!.image).metadata()).format).toBe('webp');
  });

  it('come in the size that is asked for', async () => {
    const { pictures } = await bench.client.gallery.getPictures({ seeds: [11n], size: 96 });
    expect(await sharp(pictures[0]!.image).metadata()).toMatchObject({ width: 96, height: 96 });
    expect(await codeOf(bench.client.gallery.getPictures({ seeds: [11n], size: 5000 }))).toBe(
      'FB_REQUEST_INVALID',
    );
  });

  it('are asked for many at once, and each is the same to all', async () => {
    const { candidates } = await bench.client.gallery.listCandidates({ limit: 60 });
    const seeds = candidates.map((c) => c.seed);
    const all = await Promise.all(
      Array.from({ length: 8 }, () => bench.client.gallery.getPictures({ seeds, size: 48 })),
    );
    for (const { pictures } of all) expect(pictures).toEqual(all[0]!.pictures);
    expect(new Set(all[0]!.pictures.map((p) => Buffer.from(p.image).toString('base64'))).size).toBe(60);
  });

  it('of seeds that are no candidates are refused: nobody gets a free generator', async () => {
    const { gallery } = bench.client;
    expect(await codeOf(gallery.getPictures({ seeds: [5n, 6n] }))).toBe('FB_SEED_UNKNOWN');
    expect(await codeOf(gallery.getPictures({ seeds: [BigInt(FIRST_DRAWN_SEED + 8)] }))).toBe(
      'FB_SEED_UNKNOWN',
    );
    expect(await codeOf(gallery.getPictures({ seeds: Array.from({ length: 65 }, () => 5n) }))).toBe(
      'FB_REQUEST_INVALID',
    );
  });

  it('of another generator than the one here are refused, not guessed', async () => {
    await publishBank(bench.store, 'default', {
      ...draftOf(crowd(ROWS, 4)),
      inputs: {
        ...draftOf(crowd(ROWS, 4)).inputs,
        generator: { ...draftOf(crowd(ROWS, 4)).inputs.generator, name: 'tiny-generator' },
      },
    });
    const other = bench.client.gallery.getPictures({ version: '000004', seeds: [5n] });
    expect(await codeOf(other)).toBe('FB_BANK_GENERATOR_DIFFERS');
  });
});

describe('lookups', () => {
  it('are answered by an older version when they name it', async () => {
    const { support } = bench.client;
    const [embedding] = packedRows(queries(1));
    const ask = (version: string) =>
      support.estimateDiscrepancy({ embeddings: [embedding!], lookup: { version } });
    await publishCrowd(bench.store, 'default', 5);
    await until(async () => (await ask('')).source?.version === '000005');
    const [now, older] = await Promise.all([ask('000005'), ask('000003')]);
    expect([now, older].map(({ source }) => source?.version)).toEqual(['000005', '000003']);
    const pool = new InferencePool({ threads: 1 });
    const library = await openSupport(pool, bench.store, 'default', { version: '000003' });
    expect(older.discrepancies[0]!.r).toBe((await library.estimator.estimate(queries(1))).r[0]);
    await pool.close();
    expect(older.discrepancies[0]!.r).not.toBe(now.discrepancies[0]!.r);
    expect(await codeOf(ask('000009'))).toBe('FB_BANK_VERSION_NOT_FOUND');
    expect(await codeOf(ask('000002'))).toBe('FB_BANK_CORRUPT');
  });

  it('know the presets of a calibrated bank, the strictest last', async () => {
    const other = await startService((store) => publishPictured(store, 2), {
      env: { FOILBANK_MODELS: models },
    });
    const { bank } = await other.client.support.getBank({});
    expect(bank!.presets.map(({ name, threshold }) => [name, threshold])).toEqual([
      ['fmr-1e-3', 2.5],
      ['fmr-1e-4', 3.5],
    ]);
    await other.close();
  });
});
