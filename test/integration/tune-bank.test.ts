import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FileStore, type Manifest, openBank, verifyBank } from '../../src/bank/index.js';
import { InferencePool } from '../../src/onnx/index.js';
import {
  buildBank,
  calibrateBank,
  learnBank,
  type Networks,
  openSupport,
  tuneBank,
} from '../../src/pipeline/index.js';
import { UnitMatrix } from '../../src/vectors/index.js';
import { crowd } from '../support/crowd.js';
import { temporaryFolder, tinyNetworks } from '../support/networks.js';
import { typicalOfVersion } from '../support/typical-of-version.js';

const d = 24;
const pool = new InferencePool({ threads: 2 });
const operator = { operator: 'standardise' } as const;
let folder: string;
let networks: Networks;
let store: FileStore;
let calibrated: Manifest;
/** Some people are like everybody: what a support set can tell. */
const uneven = crowd({ people: 200, photos: 3, dimension: d, seed: 5, commonness: 1.2 });
/** All are alike to all: nothing to align. */
const even = crowd({ people: 200, photos: 3, dimension: d, seed: 6, noise: 0.3 });

beforeAll(async () => {
  folder = await temporaryFolder();
  networks = await tinyNetworks(join(folder, 'models'), { dimension: d });
  store = new FileStore(join(folder, 'store'));
  calibration = { pool, store, bank: 'blobs', operator };
  await build(0);
  // Of other people than those who are asked about.
  const { embeddings } = crowd({ people: 600, photos: 1, dimension: d, seed: 7, commonness: 1.2 });
  calibrated = await calibrateBank({ ...calibration, sample: embeddings, neighboursShare: 0.4 });
});
afterAll(async () => {
  await pool.close();
  await rm(folder, { recursive: true });
});

/** What calibrates with an operator that was asked for: the tests' embedder was never measured. */
let calibration: Pick<Parameters<typeof calibrateBank>[0], 'pool' | 'store' | 'bank' | 'operator'>;
const build = async (epoch: number) => {
  const options = { size: 300, chunkSize: 64, minimumScore: 0, firstSeed: epoch * 2 ** 32 };
  return (await buildBank({ pool, store, bank: 'blobs', networks, options, epoch })).manifest;
};
const tune = (photos: typeof uneven, more: Partial<Parameters<typeof tuneBank>[0]> = {}) =>
  tuneBank({ ...{ pool, store, bank: 'blobs', ...photos, splits: 2, resamples: 100 }, ...more });

describe('tuneBank', () => {
  it('says what it would choose and publishes nothing, when it is only asked', async () => {
    const { manifest, tuning, before } = await tune(uneven, { dryRun: true });
    expect(manifest).toBeUndefined();
    expect(tuning.tried.length).toBeGreaterThan(5);
    expect(before).toEqual(calibrated.parameters);
    expect((await openBank(store, 'blobs')).version).toBe(calibrated.version);
  });

  it('publishes what labelled photos chose over the same candidates, with what it gains', async () => {
    const { manifest, tuning } = await tune(uneven);
    expect(tuning.better, tuning.reason).toBe(true);
    const { operator, k, lambda } = tuning.chosen;
    expect(manifest!.parameters).toMatchObject({
      ...{ operator: `${operator}/1`, neighbours: k, lambda },
      tuning: { falseAcceptRate: tuning.far, photos: 600, people: 200, reason: tuning.reason },
    });
    const { raw, aligned, gain } = manifest!.parameters.tuning!;
    expect(aligned).toBeGreaterThan(raw);
    expect(gain[0]).toBeGreaterThan(0);
    const [old, now] = await Promise.all(
      [calibrated, manifest!].map(({ version }) => openBank(store, 'blobs', { version })),
    );
    expect([...now!.candidates.embeddings]).toEqual([...old!.candidates.embeddings]);
    expect((await verifyBank(store, 'blobs')).problems).toEqual([]);
    const paths = ({ files }: Manifest) => files.map(({ path }) => path);
    expect(paths(manifest!)).toEqual(paths(calibrated));
    // Thresholds belong to an operator and a K.
    const { calibration } = manifest!.parameters;
    expect(calibration).toMatchObject({ samples: 600, neighboursShare: k! / manifest!.counts.accepted });
    expect(calibration).not.toEqual(calibrated.parameters.calibration);
    const support = await openSupport(pool, store, 'blobs');
    expect(support.warnings).toEqual([]);
    await support.close();
    // What is typical belongs to a K too, and another one was chosen.
    expect(k).not.toBe(calibrated.parameters.neighbours);
    const { typical, measured } = await typicalOfVersion(pool, store, 'blobs', manifest!.version);
    expect([typical.r, typical.sigma]).toEqual([expect.closeTo(measured.r), expect.closeTo(measured.sigma)]);
    expect(typical).not.toEqual(calibrated.parameters.typical);
  });

  it('keeps what was chosen when the bank gets new faces', async () => {
    const { parameters } = await openBank(store, 'blobs').then(({ manifest }) => manifest);
    const next = await build(1);
    expect(next.parameters.tuning).toEqual(parameters.tuning);
    expect(next.parameters).toMatchObject({ operator: parameters.operator, lambda: parameters.lambda });
  });

  it('recommends none where no alignment is better with confidence, and everybody who asks is told why', async () => {
    const { manifest, tuning } = await tune(even);
    expect(tuning.better, tuning.reason).toBe(false);
    expect(manifest!.parameters).toMatchObject({ operator: 'none/1', tuning: { reason: tuning.reason } });
    const support = await openSupport(pool, store, 'blobs');
    expect(support.warnings).toEqual([`bank blobs recommends raw similarities: ${tuning.reason}`]);
    await support.close();
    const next = await build(2);
    expect(next.parameters).toMatchObject({ operator: 'none/1', tuning: { reason: tuning.reason } });
  });

  it('is forgotten by a calibration: the faces are others then', async () => {
    const { parameters } = await calibrateBank({ ...calibration, sample: even.embeddings });
    expect(parameters.tuning).toBeUndefined();
    expect(parameters.operator).toBe('standardise/1');
  });

  it('tries what was learned of the bank, at its K, beside the lookup', async () => {
    const lookup = (await tune(uneven, { dryRun: true })).tuning.tried;
    const learned = await learnBank({ pool, store, bank: 'blobs', lessons: 1000, steps: 100 });
    const { tried } = (await tune(uneven, { dryRun: true })).tuning;
    expect(tried.slice(0, lookup.length)).toEqual(lookup);
    const more = tried.slice(lookup.length);
    const { neighbours } = learned.parameters;
    expect(more.map(({ estimator, k, operator }) => [estimator, k, operator])).toEqual([
      ...Array.from({ length: 4 }, () => ['learned/1', neighbours, 'shift']),
      ['learned/1', neighbours, 'standardise'],
      ['learned/1', neighbours, 'fuse'],
    ]);
    // It imitates the lookup, and is as good.
    for (const { operator, k, lambda, tar } of more) {
      const same = lookup.find((one) => one.operator === operator && one.k === k && one.lambda === lambda);
      expect(Math.abs(tar - same!.tar)).toBeLessThan(0.1);
    }
  });

  it('refuses embeddings of another length, and stops before it publishes', async () => {
    const { version } = await openBank(store, 'blobs');
    const embeddings = UnitMatrix.normalise(even.embeddings.data, d / 2).slice(0, 600);
    await expect(tune({ ...even, embeddings })).rejects.toMatchObject({ code: 'FB_EMBEDDING_LENGTH' });
    const signal = AbortSignal.abort();
    await expect(tune(even, { signal })).rejects.toMatchObject({ code: 'FB_CANCELLED' });
    expect((await openBank(store, 'blobs')).version).toBe(version);
  });
});
