export { type Spread, spreadOf } from './moments.js';
export { formatNpy, type NpyArray, parseNpy } from './npy.js';
export { dot, UnitMatrix } from './unit-matrix.js';
