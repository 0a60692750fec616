export { CohortEstimator, type CohortOptions } from './cohort.js';
export type { DiscrepancyEstimate, EstimateOptions, Estimator } from './estimator.js';
export { VirtualEstimator } from './virtual.js';
