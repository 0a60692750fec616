import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Embedder } from '../../../src/faces/index.js';
import { type EmbedderCard, findModel, float32, InferencePool, type Model } from '../../../src/onnx/index.js';
import { dot } from '../../support/dot.js';
import { shippedFolders, temporaryFolder } from '../../support/networks.js';
import { largestDifference } from '../../support/pixels.js';
import { noise, tinyArcFace, tinyArcFaceCard, writeModel } from '../../support/tiny-models.js';

const EACH = 3 * 112 * 112;
const COUNT = 11;
const chips = noise(COUNT * EACH, 4);
const tensor = (from: number, to: number) =>
  float32(chips.slice(from * EACH, to * EACH), [to - from, 3, 112, 112]);

let pool: InferencePool;
let model: Model<EmbedderCard>;
beforeAll(async () => {
  pool = new InferencePool({ threads: 2 });
  const card = await writeModel(await temporaryFolder(), tinyArcFace(), tinyArcFaceCard);
  model = await findModel(shippedFolders(), card, 'embedder');
});
afterAll(() => pool.close());

describe('Embedder', () => {
  it.each([1, 3, 8, 16])('embeds any number of chips alike in batches of %i', async (batch) => {
    const embedder = await Embedder.open(pool, model, { batch });
    const together = await embedder.embed(tensor(0, COUNT));
    expect([together.rows, together.dimension]).toEqual([COUNT, 512]);
    const apart = await Promise.all(
      Array.from({ length: COUNT }, (_, i) => embedder.embed(tensor(i, i + 1))),
    );
    for (const [i, one] of apart.entries()) {
      expect(dot(one.row(0), one.row(0))).toBeCloseTo(1, 6);
      expect(largestDifference(one.row(0), together.row(i))).toBeLessThan(1e-6);
    }
    const inParts = await embedder.embed([tensor(0, 2), tensor(2, 7), tensor(7, COUNT)]);
    expect(inParts.data).toEqual(together.data);
  });

  it('runs whole batches and what is left one by one: two shapes, whatever comes', async () => {
    const embedder = await Embedder.open(pool, model, { batch: 4 });
    await embedder.embed(tensor(0, COUNT));
    expect(embedder.spent.runs).toBe(2 + 3);
  });

  it('leaves the chips of its caller as they were', async () => {
    const embedder = await Embedder.open(pool, model);
    const one = tensor(0, 1);
    await embedder.embed(one);
    expect(one.data).toHaveLength(EACH);
  });

  it('refuses a batch out of range, and chips without a direction', async () => {
    await expect(Embedder.open(pool, model, { batch: 0 })).rejects.toMatchObject({
      code: 'FB_OPTION_INVALID',
    });
    const embedder = await Embedder.open(pool, model);
    const broken = float32(new Float32Array(EACH).fill(Number.NaN), [1, 3, 112, 112]);
    await expect(embedder.embed(broken, 'photo.jpg')).rejects.toMatchObject({
      code: 'FB_EMBEDDING_NOT_FINITE',
      message: expect.stringContaining('photo.jpg'),
    });
  });
});
