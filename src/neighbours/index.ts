export { chooseEngine, type EngineChoice, exactAbove } from './choose.js';
export {
  type Exclusion,
  type SupportOptions,
  SupportSearch,
  type SupportSearchOptions,
  type SupportSet,
} from './eligible.js';
export type { EngineKind, NeighbourEngine, Neighbours } from './engine.js';
export { ExactEngine, type ExactOptions } from './exact.js';
export {
  type HnswBuildOptions,
  HnswEngine,
  type HnswLoadOptions,
  type HnswParameters,
  type HnswSearchOptions,
  resolveHnswParameters,
  resolveHnswSearchOptions,
} from './hnsw.js';
export type { HnswShape } from './hnsw-file.js';
