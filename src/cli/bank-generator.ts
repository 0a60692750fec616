import type { Bank } from '../bank/index.js';
import type { GeneratorCard, Model } from '../onnx/index.js';
import { generatorOfBank as ofManifest } from '../pipeline/index.js';
import { type CliContext, modelFolders } from './context.js';

/** @param card name or path, default: the name in the manifest. @throws FoilbankError FB_BANK_GENERATOR_DIFFERS, FB_CARD_UNKNOWN */
export const generatorOfBank = (
  context: CliContext,
  { manifest }: Bank,
  card?: string,
): Promise<Model<GeneratorCard>> => ofManifest(modelFolders(context), manifest, card);
