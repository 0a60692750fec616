export { type DiscrepancyEstimate, type EstimateOptions, VirtualEstimator } from './virtual.js';
