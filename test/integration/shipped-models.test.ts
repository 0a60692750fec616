import { afterAll, describe, expect, it } from 'vitest';
import { InferencePool, listModels } from '../../src/onnx/index.js';
import { CandidateMaker, verifyModel } from '../../src/pipeline/index.js';
import { shippedFolders, shippedNetworks } from '../support/networks.js';

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
});
