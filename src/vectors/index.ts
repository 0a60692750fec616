export { covarianceOf, emptyMoments, type Moments, mergeMoments, momentsOf } from './covariance.js';
export { type Spread, spreadOf } from './moments.js';
export { formatNpy, type NpyArray, parseNpy } from './npy.js';
export { choleskyOf, factorOf, powerOf, productOf, traceOf } from './symmetric.js';
export { UnitMatrix } from './unit-matrix.js';
