export { type Alignment, type AllPairsOptions, type ScoredPairs, scoreAllPairs } from './all-pairs.js';
export {
  alignmentsOf,
  type CollectionOptions,
  type Evaluation,
  evaluateCollection,
  FARS,
  farWarnings,
  type NamedAlignment,
  type Result,
} from './collection.js';
export { type EqualError, equalErrors } from './equal-error.js';
export { type Flip, type Flips, flipsBetween } from './flips.js';
export { type GroupSpread, groupSpreads } from './groups.js';
export { type IdentificationOptions, type IdentificationPoint, identify } from './identification.js';
export { checkIdentities, type Identities, identitiesOf, identityOfPhoto } from './identities.js';
export { contradictions, parseGroups, parseLabels } from './labels.js';
export { mixedQuality, type Quality, qualityOf } from './mixed-quality.js';
export { bestOf, halvings } from './nested-choice.js';
export { type OperatingPoint, operatingPoints, smallestFar } from './operating-points.js';
export { type FoldAccuracy, foldAccuracy } from './pair-folds.js';
export type { PairScores } from './pair-scores.js';
export type { PairTrials } from './pair-trials.js';
export { type Judged, partOfPeople } from './part-of-people.js';
export { hashOf, randomFrom, shuffled } from './random.js';
export * from './report/index.js';
export { IdentityResamples, type Interval, intervalOf } from './resampling.js';
export { equalErrorRate, type RocPoint, rocOf, ScoreHistogram } from './score-histogram.js';
export {
  evaluateSplits,
  gainOf,
  type Half,
  type HalfEstimators,
  type SplitRow,
  type SplitsOptions,
} from './splits.js';
export {
  gainInWords,
  isLearned,
  type TunedSettings,
  type Tuning,
  type TuningOptions,
  tuneAlignment,
  wordsOf,
} from './tuning.js';
export { sizesToTry } from './tuning-grid.js';
