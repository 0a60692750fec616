export {
  ESTIMATORS,
  type EstimatorName,
  openSupport,
  operatorAt,
  type Support,
} from '../discrepancy/index.js';
export { type BuildRequest, type BuildResult, type BuildStep, buildBank } from './build-bank.js';
export { inputsOf, inService } from './build-inputs.js';
export { type BuildOptions, resolveBuildOptions } from './build-options.js';
export { ensureParts, type OnSeeds } from './build-parts.js';
export { type CalibrateRequest, calibrateBank } from './calibrate-bank.js';
export { CandidateMaker, type MadeFaces, type Networks } from './candidate-maker.js';
export { type Comparison, comparePairs, matrixOf } from './compare.js';
export { type Foil, foilSheet } from './foil-sheet.js';
export { generatorOfBank } from './generator-of-bank.js';
export type { GateResult } from './index-bank.js';
export { LabelledPairs, type PairSource } from './labelled-pairs.js';
export { type LearnOptions, type LearnRequest, learnBank, learnFrom } from './learn-bank.js';
export { type Measured, thresholdsAmong } from './measure-faces.js';
export { type PhotoPair, parsePairs } from './pairs-csv.js';
export { contactSheet, type SheetOptions, type Tile, webpOf } from './pictures.js';
export { type Progress, RateMeter } from './progress.js';
export { leftToRight, readFace } from './read-face.js';
export { gatesAgainstService } from './refresh-gates.js';
export {
  DEFAULT_NETWORKS,
  findFaceModels,
  findNetworks,
  type NetworkKind,
  type NetworkNames,
  type NetworkReference,
  networkNames,
  planRefresh,
  type RefreshPlan,
} from './refresh-plan.js';
export { sheetOfSeeds, tilesOfSeeds } from './sheet.js';
export { type TuneRequest, type TuneResult, tuneBank } from './tune-bank.js';
export { goldenOf, verifyModel } from './verify-model.js';
