import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { strongCrowd } from '../../bench/support/strong-crowd.js';
import { FileStore } from '../../src/bank/index.js';
import { VirtualEstimator } from '../../src/discrepancy/index.js';
import {
  FARS,
  IdentityResamples,
  identitiesOf,
  operatingPoints,
  scoreAllPairs,
} from '../../src/evaluation/index.js';
import { ExactEngine, SupportSearch } from '../../src/neighbours/index.js';
import { InferencePool } from '../../src/onnx/index.js';
import {
  buildBank,
  calibrateBank,
  type Networks,
  openSupport,
  resolveBuildOptions,
} from '../../src/pipeline/index.js';
import { type OperatorName, operatorOfId, resolveOperatorSettings } from '../../src/scoring/index.js';
import { crowd } from '../support/crowd.js';
import { shippedNetworks, temporaryFolder, tinyNetworks } from '../support/networks.js';

const pool = new InferencePool({ threads: 2 });
/** Raw is good already: a simulated embedder of 512 dimensions, and virtual faces as it sees them. */
const { photos, labels, faces } = strongCrowd(
  Array.from({ length: 600 }, (_, i) => (i < 200 ? 4 : 1)),
  1500,
  1,
);
let folder: string;
let networks: Networks;
let store: FileStore;
beforeAll(async () => {
  folder = await temporaryFolder();
  // An embedder that nobody measured; what it is called is all that counts here, so it has few dimensions.
  networks = await tinyNetworks(join(folder, 'models'), { dimension: 16 });
  store = new FileStore(join(folder, 'store'));
});
afterAll(async () => {
  await pool.close();
  await rm(folder, { recursive: true });
});

/** The largest loss of true accepts against raw at any false accept rate that so many pairs show. */
async function largestLoss(operator: OperatorName, lambda: number): Promise<number> {
  const exact = await ExactEngine.create({ candidates: faces, pool });
  const search = new SupportSearch({ engine: exact, exact, samePersonCeiling: 1 });
  const stats = await new VirtualEstimator(search, 30).estimate(photos);
  await exact.close();
  const identities = identitiesOf(labels);
  const ways = [{ operator: 'none' as const }, { operator, lambda }].map((settings) => ({
    ...{ settings: resolveOperatorSettings(settings), stats },
  }));
  const [raw, aligned] = (await scoreAllPairs(pool, photos, identities, ways)).map((scored) =>
    operatingPoints(scored, identities, FARS, new IdentityResamples(identities.names, 0)),
  );
  return Math.max(
    ...raw!.flatMap(({ tar, accepted }, at) => (accepted >= 10 ? [tar - aligned![at]!.tar] : [])),
  );
}

describe('what a bank recommends where nobody chose', () => {
  it('costs a strong embedder nothing at any false accept rate, calibrated or not', async () => {
    const options = { size: 150, chunkSize: 64, minimumScore: 0 };
    const built = await buildBank({ pool, store, bank: 'strong', networks, options });
    const { embeddings: sample } = crowd({ people: 200, photos: 1, dimension: 16, seed: 3 });
    const calibrated = await calibrateBank({ pool, store, bank: 'strong', sample });
    for (const { parameters } of [built.manifest, calibrated]) {
      expect(parameters.operator).toBe('none/1');
      expect(await largestLoss(operatorOfId(parameters.operator), parameters.lambda)).toBeLessThan(0.002);
    }
    const support = await openSupport(pool, store, 'strong');
    expect(support.warnings).toEqual([expect.stringContaining('foilbank tune')]);
    await support.close();
  });

  it('would cost it by any operator that works elsewhere', async () => {
    expect(await largestLoss('standardise', 1)).toBeGreaterThan(0.002);
    expect(await largestLoss('shift', 1)).toBeGreaterThan(0.002);
  });

  it('is a gentle shift with the default embedder, of which labelled photos have said that it gains', async () => {
    const { embedder } = await shippedNetworks();
    const options = { size: 40, chunkSize: 32, minimumScore: 0, duplicateCeiling: 1 };
    const request = { pool, store, bank: 'measured', networks: { ...networks, embedder }, options };
    const { parameters } = (await buildBank(request)).manifest;
    expect(parameters).toMatchObject({ operator: 'shift/1', lambda: 0.25 });
  });

  it('is twice that over faces of the default generator, and no more over the same faces without faults', async () => {
    const { embedder, generator } = await shippedNetworks();
    const defaults = (card: typeof generator.card) => resolveBuildOptions({}, card, embedder.card);
    expect(defaults(generator.card)).toMatchObject({ operator: 'shift', lambda: 0.5 });
    const { quality: _, ...plain } = generator.card;
    expect(defaults(plain)).toMatchObject({ operator: 'shift', lambda: 0.25 });
  });
});
