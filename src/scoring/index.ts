export {
  type Discrepancy,
  type DiscrepancyStats,
  discrepancyAt,
  floored,
  SIGMA_FLOOR,
  type Typical,
  typicalOf,
} from './discrepancy-stats.js';
export {
  OPERATORS,
  type OperatorName,
  type OperatorSettings,
  operatorId,
} from './formulas.js';
export {
  type AlignedScore,
  alignScore,
  alignScores,
  operatorOfId,
  type Pairs,
  resolveOperatorSettings,
} from './operators.js';
export { falseMatchRateOf, type Threshold, thresholdsOf } from './thresholds.js';
