export { type Alignment, type AllPairsOptions, type ScoredPairs, scoreAllPairs } from './all-pairs.js';
export { checkIdentities, type Identities, identitiesOf, identityOfPhoto } from './identities.js';
export { type OperatingPoint, operatingPoints, smallestFar } from './operating-points.js';
export type { PairScores } from './pair-scores.js';
export { hashOf, randomFrom, shuffled } from './random.js';
export { IdentityResamples, type Interval, intervalOf } from './resampling.js';
export { equalErrorRate, type RocPoint, rocOf, ScoreHistogram } from './score-histogram.js';
