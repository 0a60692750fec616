import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveConfig } from '../../src/config.js';
import { findModel, type ModelFolders } from '../../src/onnx/index.js';
import { DEFAULT_NETWORKS, findNetworks, type Networks } from '../../src/pipeline/index.js';
import { tinyArcFace, tinyArcFaceCard, tinyGenerator, tinyGeneratorCard, writeModel } from './tiny-models.js';

/** The folders of the shipped cards, with graphs prepared before the suite began. */
export const shippedFolders = (): ModelFolders => {
  const { cards, cache } = resolveConfig({});
  return { cards, cache };
};

/** The networks that a build takes when none is named. */
export const shippedNetworks = (): Promise<Networks> => findNetworks(shippedFolders(), DEFAULT_NETWORKS);

export const temporaryFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'foilbank-test-'));

/** A brought-along generator and a brought-along 512-d ArcFace in `folder`, beside the shipped detector and landmark network. */
export async function tinyNetworks(
  folder: string,
  change: { readonly generator?: object; readonly embedder?: object; readonly dimension?: number } = {},
): Promise<Networks> {
  const shipped = shippedFolders();
  const generator = await writeModel(folder, tinyGenerator(), { ...tinyGeneratorCard, ...change.generator });
  const { dimension = tinyArcFaceCard.output.dimension } = change;
  const output = { ...tinyArcFaceCard.output, dimension };
  const embedder = await writeModel(folder, tinyArcFace(dimension), {
    ...{ ...tinyArcFaceCard, output },
    ...change.embedder,
  });
  return {
    generator: await findModel(shipped, generator, 'generator'),
    embedder: await findModel(shipped, embedder, 'embedder'),
    detector: await findModel(shipped, 'detector', 'detector'),
    landmarks: await findModel(shipped, 'landmarks', 'landmarks'),
  };
}
