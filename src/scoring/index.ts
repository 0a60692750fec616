export { type Discrepancy, type DiscrepancyStats, discrepancyAt } from './discrepancy-stats.js';
export {
  type AlignedScore,
  alignScore,
  alignScores,
  type OperatorName,
  type OperatorSettings,
  operatorId,
  operatorOfId,
  type Pairs,
  resolveOperatorSettings,
  SIGMA_FLOOR,
} from './operators.js';
export { falseMatchRateOf, type Threshold, thresholdsOf } from './thresholds.js';
