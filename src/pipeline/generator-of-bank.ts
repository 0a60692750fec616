import type { Manifest } from '../bank/index.js';
import { FoilbankError } from '../errors.js';
import { findModel, fingerprint, type GeneratorCard, type Model, type ModelFolders } from '../onnx/index.js';

/**
 * The generator that a bank's faces were made with, so that their seeds give the same pictures again.
 *
 * @param card name or path, default: the name in the manifest
 * @throws FoilbankError FB_BANK_GENERATOR_DIFFERS, FB_CARD_UNKNOWN
 */
export async function generatorOfBank(
  folders: ModelFolders,
  { bank, inputs }: Pick<Manifest, 'bank' | 'inputs'>,
  card?: string,
): Promise<Model<GeneratorCard>> {
  const { name, cardSha256 } = inputs.generator;
  const model = await findModel(folders, card ?? name, 'generator');
  const found = fingerprint(model.card);
  if (found === cardSha256) return model;
  const [expected, actual] = [cardSha256.slice(0, 12), found.slice(0, 12)];
  throw new FoilbankError('FB_BANK_GENERATOR_DIFFERS', { bank, expected, actual });
}
