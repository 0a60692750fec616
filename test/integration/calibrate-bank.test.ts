import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  candidateId,
  FileStore,
  isDrawn,
  type Manifest,
  openBank,
  rollbackBank,
  verifyBank,
} from '../../src/bank/index.js';
import { facesAsked } from '../../src/discrepancy/index.js';
import { InferencePool } from '../../src/onnx/index.js';
import { buildBank, calibrateBank, type Networks, openSupport } from '../../src/pipeline/index.js';
import { alignScore, discrepancyAt, resolveOperatorSettings } from '../../src/scoring/index.js';
import { latents } from '../../src/synthesis/index.js';
import { momentsOf, UnitMatrix } from '../../src/vectors/index.js';
import { temporaryFolder, tinyNetworks } from '../support/networks.js';
import { typicalOfVersion } from '../support/typical-of-version.js';

const d = 16;
const pool = new InferencePool({ threads: 2 });
let folder: string;
let networks: Networks;
let store: FileStore;
let raw: Manifest;
beforeAll(async () => {
  folder = await temporaryFolder();
  networks = await tinyNetworks(join(folder, 'models'), { dimension: d });
  store = new FileStore(join(folder, 'store'));
  raw = await build();
});
afterAll(async () => {
  await pool.close();
  await rm(folder, { recursive: true });
});

const build = async (epoch = 0) => {
  const options = { size: 150, chunkSize: 64, minimumScore: 0, firstSeed: epoch * 2 ** 32 };
  return (await buildBank({ pool, store, bank: 'blobs', networks, options, epoch })).manifest;
};

/** Real people, as far as this test goes: two groups at opposite places. */
function people(count: number): UnitMatrix {
  const z = latents(
    Array.from({ length: count }, (_, i) => i),
    d,
  );
  return UnitMatrix.normalise(
    z.map((x, i) => 0.1 * x + (i % d === (Math.floor(i / d) % 2) * 3 ? 1 : 0)),
    d,
  );
}
const sample = people(300);
const calibrate = (more: Partial<Parameters<typeof calibrateBank>[0]> = {}) =>
  calibrateBank({ pool, store, bank: 'blobs', sample, operator: { operator: 'standardise' }, ...more });

/** Distance of the candidates' mean from the sample's. */
async function offCentre(version: string): Promise<number> {
  const { candidates } = await openBank(store, 'blobs', { version });
  const [a, b] = [momentsOf(UnitMatrix.adopt(candidates.embeddings, d)), momentsOf(sample)];
  return Math.hypot(...a.mean.map((x, i) => x - b.mean[i]!));
}

describe('calibrateBank', () => {
  let manifest: Manifest;
  beforeAll(async () => {
    manifest = await calibrate();
  });

  it('publishes the faces where the people are, and says from what and why', async () => {
    expect(manifest.parameters.calibration).toMatchObject({ kind: 'mixture', samples: 300 });
    expect(manifest.parameters.calibration).toHaveProperty(
      'reason',
      expect.stringContaining('300 different'),
    );
    expect(await offCentre(raw.version)).toBeGreaterThan(0.3);
    expect(await offCentre(manifest.version)).toBeLessThan(0.1);
    const support = await openSupport(pool, store, 'blobs');
    expect(support.warnings).toEqual([]);
    await support.close();
    expect((await verifyBank(store, 'blobs')).problems).toEqual([]);
  });

  it('has thresholds that stranger faces pass at the asked rate at most', async () => {
    const { calibration } = manifest.parameters;
    const [first] = calibration.kind === 'none' ? [] : calibration.thresholds;
    expect(first?.falseMatchRate).toBe(0.01);
    const support = await openSupport(pool, store, 'blobs', { version: manifest.version });
    const { candidates } = support.bank;
    const faces = UnitMatrix.adopt(candidates.embeddings, d).slice(0, 150);
    const { r, sigma } = await support.estimator.estimate(faces, {
      exclude: Array.from({ length: 150 }, (_, row) => ({ rows: [row] })),
    });
    await support.close();
    let passed = 0;
    for (let a = 0; a < 150; a++)
      for (let b = 0; b < a; b++) {
        const s = faces.similarity(a, faces, b);
        if (((s - r[a]!) / sigma[a]! + (s - r[b]!) / sigma[b]!) / 2 > first!.threshold) passed++;
      }
    // Two and a half standard errors fewer than the rate allows; rounding may tell the last one otherwise.
    const allowed = (0.01 * 150 * 149) / 2;
    expect(Math.abs(passed - Math.floor(allowed - 2.5 * Math.sqrt(allowed)))).toBeLessThanOrEqual(1);
  });

  it('says what is typical of its own faces at its K, as the version before does of those', async () => {
    for (const { version } of [raw, manifest]) {
      const { typical, measured } = await typicalOfVersion(pool, store, 'blobs', version);
      expect([typical.r, typical.sigma]).toEqual([
        expect.closeTo(measured.r),
        expect.closeTo(measured.sigma),
      ]);
    }
    expect(manifest.parameters.typical).not.toEqual(raw.parameters.typical);
  });

  it('has thresholds by fuse that its own faces pass at the asked rate at most', async () => {
    const { version, parameters } = await calibrate({ operator: { operator: 'fuse' } });
    const [first] = parameters.calibration.kind === 'none' ? [] : parameters.calibration.thresholds;
    const support = await openSupport(pool, store, 'blobs', { version });
    const faces = facesAsked(support.bank.candidates);
    const exclude = Array.from({ length: faces.rows }, (_, row) => ({ rows: [row] }));
    const stats = await support.estimator.estimate(faces, { exclude });
    await support.close();
    const fuse = resolveOperatorSettings({ operator: 'fuse' });
    const pairs = Array.from({ length: faces.rows }, (_, a) => Array.from({ length: a }, (_, b) => [a, b]));
    const scores = pairs.flat().map(([a, b]) => {
      const [left, right] = [discrepancyAt(stats, a!), discrepancyAt(stats, b!)];
      return alignScore(fuse, faces.similarity(a!, faces, b!), left, right, parameters.typical).aligned;
    });
    const allowed = 0.01 * scores.length;
    const passed = scores.filter((score) => score > first!.threshold).length;
    expect(Math.abs(passed - Math.floor(allowed - 2.5 * Math.sqrt(allowed)))).toBeLessThanOrEqual(1);
    await rollbackBank(store, 'blobs', { version: manifest.version });
  });

  it('adds half as many draws as faces, marked as drawn, beside all faces under their old names', async () => {
    const [before, after] = await Promise.all([
      openBank(store, 'blobs', { version: raw.version }),
      openBank(store, 'blobs', { version: manifest.version }),
    ]);
    const seeds = [...after.candidates.seeds];
    const drawn = seeds.filter(isDrawn);
    expect(drawn.length).toBe(manifest.counts.drawn);
    expect(drawn.length).toBe(Math.round(before.candidates.seeds.length / 2));
    expect(candidateId(drawn[0]!)).toBe('d0');
    expect(seeds.filter((seed) => !isDrawn(seed))).toEqual([...before.candidates.seeds]);
  });

  it('calibrates anew from the faces as they were embedded, not from moved ones', async () => {
    const again = await calibrate();
    const [a, b] = await Promise.all(
      [manifest, again].map(({ version }) => openBank(store, 'blobs', { version })),
    );
    expect(again.version).not.toBe(manifest.version);
    expect([...b!.candidates.embeddings]).toEqual([...a!.candidates.embeddings]);
  });

  it('leaves draws out where they are switched off', async () => {
    const without = await calibrate({ drawsPerFace: 0 });
    expect(without.counts).toEqual(raw.counts);
    expect(await offCentre(without.version)).toBeLessThan(0.2);
    await calibrate();
  });

  it('is carried over to the new faces of a later version', async () => {
    const next = await build(1);
    const { thresholds } = manifest.parameters.calibration as { thresholds: unknown[] };
    expect(next.parameters.calibration).toEqual({
      ...manifest.parameters.calibration,
      // Of other faces.
      thresholds: thresholds.map((one) => ({ ...(one as object), threshold: expect.any(Number) })),
    });
    expect(next.counts.drawn).toBe(manifest.counts.drawn);
    const { neighbours, operator } = manifest.parameters;
    expect(next.parameters).toMatchObject({ neighbours, operator });
    expect(await offCentre(next.version)).toBeLessThan(0.1);
    expect(next.inputs.seeds.epoch).toBe(1);
    expect((await build(1)).version).toBe(next.version);
  });

  it('refuses what cannot be a sample, and leaves the version in service', async () => {
    const { version } = await openBank(store, 'blobs');
    await expect(calibrate({ sample: people(8) })).rejects.toMatchObject({ code: 'FB_CALIBRATION_TOO_FEW' });
    const other = UnitMatrix.normalise(sample.data, 2 * d);
    await expect(calibrate({ sample: other })).rejects.toMatchObject({ code: 'FB_EMBEDDING_LENGTH' });
    await expect(calibrate({ drawsPerFace: -1 })).rejects.toMatchObject({ code: 'FB_OPTION_INVALID' });
    expect((await openBank(store, 'blobs')).version).toBe(version);
  });
});
