export { type Calibration, fitCalibration } from './calibration.js';
export { decodeCalibration, encodeCalibration } from './calibration-file.js';
export { drawsOf, mapFaces } from './calibration-map.js';
export { CohortEstimator, type CohortOptions } from './cohort.js';
export type { DiscrepancyEstimate, EstimateOptions, Estimator } from './estimator.js';
export { LearnedEstimator, type LearnedOptions } from './learned.js';
export { type LearnedHead, learnEstimator } from './learned-head.js';
export type { Lessons } from './learned-training.js';
export { VirtualEstimator } from './virtual.js';
