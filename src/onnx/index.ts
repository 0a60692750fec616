export {
  type AlignTemplate,
  cardJsonSchema,
  type DetectorCard,
  type EmbedderCard,
  fingerprint,
  type GeneratorCard,
  type LandmarksCard,
  type Model,
  type ModelCard,
  parseCard,
  readCard,
} from './card.js';
export {
  type Attribute,
  type Dimension,
  type ElementType,
  GraphBuilder,
  type Value,
} from './convert/graph.js';
export { holdAgainstGolden, largestDifference } from './golden.js';
export { type PackedError, packError, type ThreadProgram, unpackError } from './messages.js';
export type { Network, NetworkHost, NetworkSource, RunOptions } from './network.js';
export { InferencePool, type PoolOptions, type Program, resolvePoolOptions } from './pool.js';
export { prepareModel } from './prepare.js';
export {
  checkModelFile,
  findAnyModel,
  findModel,
  listModels,
  loadModel,
  type ModelFolders,
} from './registry.js';
export { float32, floatsOf, free, int64, type TensorData, type Tensors, type ValueInfo } from './tensor.js';
