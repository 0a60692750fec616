import { describe, expect, it } from 'vitest';
import { publishBank } from '../../../src/bank/index.js';
import { findModel, type GeneratorCard } from '../../../src/onnx/index.js';
import { DEFAULT_NETWORKS, planRefresh, resolveBuildOptions } from '../../../src/pipeline/index.js';
import { shippedFolders } from '../../support/networks.js';
import { draftOf, someCandidates, someStore } from '../bank/fixtures.js';

const nothing = { networks: {}, options: {} };

describe('the default generator', () => {
  it('is the network of foilgan-64, half of its faces with the faults of bad photos', async () => {
    const card = async (name: string): Promise<GeneratorCard> =>
      (await findModel(shippedFolders(), name, 'generator')).card;
    const { quality, name, notes: _, ...worn } = await card(DEFAULT_NETWORKS.generator);
    expect([name, quality]).toEqual(['foilgan-64-mixed', 'mixed-quality/2']);
    const { notes: __, ...plain } = await card('foilgan-64');
    expect({ ...worn, name: 'foilgan-64' }).toEqual(plain);
  });

  it('makes the faces of a new bank', async () => {
    const { networks } = await planRefresh(await someStore(), 'new', shippedFolders(), nothing);
    expect(networks.generator.card).toBe(DEFAULT_NETWORKS.generator);
  });

  it('does not come into a bank in service that has another, unless it is asked for', async () => {
    const store = await someStore();
    const draft = draftOf(someCandidates(64));
    const named = (name: string) => ({ ...draft.inputs.generator, name });
    await publishBank(store, 'old', {
      ...draft,
      inputs: {
        ...draft.inputs,
        ...{ generator: named('foilgan-64'), detector: named('detector') },
        embedder: { ...draft.inputs.embedder, name: 'recogniser' },
      },
      parameters: { ...draft.parameters, operator: 'shift/1', lambda: 0.25 },
    });
    const kept = await planRefresh(store, 'old', shippedFolders(), nothing);
    expect(kept.networks.generator.card).toBe('foilgan-64');
    const generator = DEFAULT_NETWORKS.generator;
    const moved = await planRefresh(store, 'old', shippedFolders(), { ...nothing, networks: { generator } });
    expect(moved.networks.generator.card).toBe(generator);
    // With the strength that these faces bear.
    const { card: embedder } = await findModel(shippedFolders(), 'recogniser', 'embedder');
    const { card } = await findModel(shippedFolders(), generator, 'generator');
    const { lambda } = resolveBuildOptions({}, card, embedder);
    expect(moved.options).toMatchObject({ operator: 'shift', lambda, size: 64 });
    expect(kept.options).toMatchObject({ operator: 'shift', lambda: 0.25 });
  });
});
