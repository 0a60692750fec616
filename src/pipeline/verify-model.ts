import { checkGolden, goldenOutputs } from '../faces/index.js';
import {
  findAnyModel,
  type GeneratorCard,
  type InferencePool,
  type Model,
  type ModelCard,
  type ModelFolders,
} from '../onnx/index.js';
import { checkGeneratorGolden, generatorGolden } from './generator-golden.js';

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
  if (isGenerator(model)) return checkGeneratorGolden(pool, model);
  await checkGolden(pool, model as Parameters<typeof checkGolden>[1]);
}

/** First values of each output that a card keeps. */
const KEPT = 16;

/**
 * The golden field as the network gives it now, for a card of one's own. What it holds must have been proved right by other means.
 *
 * @throws FoilbankError as `verifyModel`, but FB_MODEL_GOLDEN_MISMATCH
 */
export async function goldenOf(
  pool: InferencePool,
  folders: ModelFolders,
  nameOrFile: string,
): Promise<ModelCard['golden']> {
  const model = await findAnyModel(folders, nameOrFile);
  if (isGenerator(model)) return generatorGolden(pool, model, model.card.golden.psi);
  const outputs = await goldenOutputs(pool, model as Parameters<typeof checkGolden>[1]);
  const first = Object.entries(outputs).map(([name, values]) => [name, Array.from(values.subarray(0, KEPT))]);
  return { input: 'pattern-1', outputs: Object.fromEntries(first), tolerance: 1e-3 };
}

const isGenerator = (model: Model): model is Model<GeneratorCard> => model.card.kind === 'generator';
