import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { FoilbankError, reasonOf } from '../errors.js';
import { writeWhole } from '../files.js';
import type { Model, ModelCard } from './card.js';
import { convertPublished, isConverterName, publishedFiles } from './convert/index.js';
import { checkModelFile } from './registry.js';

/**
 * Makes the graph of a card that has `prepare` out of the weights that an installed npm package ships, unless it is
 * there already. The result is held against the card's sha256; the file appears whole or not at all.
 *
 * @returns whether the graph was made now
 * @throws FoilbankError FB_WEIGHTS_UNREADABLE, FB_MODEL_HASH_MISMATCH, FB_CARD_INVALID, FB_FILE_UNWRITABLE
 */
export async function prepareModel(
  model: Model,
  options: { readonly force?: boolean } = {},
): Promise<boolean> {
  const { prepare } = model.card;
  if (!prepare) return false;
  if (!options.force && (await isPrepared(model))) return false;
  if (!isConverterName(prepare.converter))
    throw new FoilbankError('FB_CARD_INVALID', {
      card: model.card.name,
      field: 'prepare.converter',
      reason: `${prepare.converter} is not a known converter`,
    });
  const graph = convertPublished(prepare.converter, await publishedWeights(prepare));
  await writeWhole(model.graph, graph);
  await checkModelFile(model);
  return true;
}

async function isPrepared(model: Model): Promise<boolean> {
  try {
    await checkModelFile(model);
    return true;
  } catch (error) {
    if (error instanceof FoilbankError) return false;
    throw error;
  }
}

async function publishedWeights(prepare: NonNullable<ModelCard['prepare']>) {
  const files = publishedFiles(prepare.weights);
  const file = `${prepare.package}/${files.binary}`;
  try {
    const root = dirname(createRequire(import.meta.url).resolve(`${prepare.package}/package.json`));
    const [manifest, binary] = await Promise.all([
      readFile(join(root, files.manifest)),
      readFile(join(root, files.binary)),
    ]);
    return { file, manifest, binary };
  } catch (error) {
    throw new FoilbankError('FB_WEIGHTS_UNREADABLE', { file, reason: reasonOf(error) }, { cause: error });
  }
}
