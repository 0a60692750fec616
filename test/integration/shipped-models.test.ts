import { copyFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { InferencePool, listModels } from '../../src/onnx/index.js';
import { CandidateMaker, verifyModel } from '../../src/pipeline/index.js';
import { shippedFolders, shippedNetworks, temporaryFolder } from '../support/networks.js';

const pool = new InferencePool({ threads: 2 });
afterAll(() => pool.close());

describe('the shipped networks', async () => {
  it.each((await listModels(shippedFolders())).map((model) => model.card.name))(
    '%s passes its own card: hash, graph and golden output',
    (name) => verifyModel(pool, shippedFolders(), name),
  );

  it('make faces that the detector finds, each with an embedding of its own', async () => {
    const networks = await shippedNetworks();
    const maker = await CandidateMaker.open(pool, networks);
    const seeds = Array.from({ length: maker.generator.batch }, (_, i) => 1000 + i);
    const { scores, embeddings } = await maker.make(seeds, networks.generator.card.psi.default, 0.5);
    const found = Array.from(scores).filter((score) => score >= 0.5).length;
    expect(found).toBeGreaterThanOrEqual(0.9 * seeds.length);
    const [first, second] = embeddings;
    expect(first).not.toEqual(second);
  });

  it.each([
    ['swapped colours', { image: { width: 64, height: 64, colour: 'bgr', range: [-1, 1] } }],
    ['another range', { image: { width: 64, height: 64, colour: 'rgb', range: [0, 255] } }],
    [
      'another place',
      { align: { mode: 'fixed', template: 'dlib68-150', scale: 2, rotation: 0, translation: [0, 0] } },
    ],
    [
      'another template',
      {
        align: {
          mode: 'fixed',
          template: 'arcface5-112',
          scale: 3.125,
          rotation: 0,
          translation: [-23.8, -23.8],
        },
      },
    ],
  ])('a generator card with %s is caught', async (_, change) => {
    const shipped = (await shippedNetworks()).generator;
    const folder = await temporaryFolder();
    await copyFile(shipped.graph, join(folder, shipped.card.file));
    const card = join(folder, 'card.json');
    await writeFile(card, JSON.stringify({ ...shipped.card, ...change }));
    await expect(verifyModel(pool, shippedFolders(), card)).rejects.toMatchObject({
      code: 'FB_MODEL_GOLDEN_MISMATCH',
    });
    await rm(folder, { recursive: true });
  });
});
