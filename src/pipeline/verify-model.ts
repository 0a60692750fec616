import { checkGolden } from '../faces/index.js';
import {
  findAnyModel,
  type GeneratorCard,
  type InferencePool,
  type Model,
  type ModelFolders,
} from '../onnx/index.js';
import { checkGeneratorGolden, Generator } from '../synthesis/index.js';

/**
 * Proves a model card: the file's hash, the graph's inputs and outputs, and the golden output.
 *
 * @param nameOrFile name of a card, or path of a card file
 * @throws FoilbankError FB_CARD_UNKNOWN, FB_CARD_UNREADABLE, FB_CARD_INVALID, FB_MODEL_FILE_MISSING, FB_MODEL_HASH_MISMATCH,
 *   FB_MODEL_LOAD_FAILED, FB_MODEL_GRAPH_MISMATCH, FB_MODEL_GOLDEN_MISMATCH
 */
export async function verifyModel(
  pool: InferencePool,
  folders: ModelFolders,
  nameOrFile: string,
): Promise<void> {
  const model = await findAnyModel(folders, nameOrFile);
  if (isGenerator(model)) {
    const generator = await Generator.open(pool, model);
    await checkGeneratorGolden(generator);
    await generator.release();
    return;
  }
  await checkGolden(pool, model as Parameters<typeof checkGolden>[1]);
}

const isGenerator = (model: Model): model is Model<GeneratorCard> => model.card.kind === 'generator';
