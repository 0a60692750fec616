/**
 * Foilbank as a library. Each room can be imported by itself too (`foilbank/scoring`, `foilbank/neighbours`, …), which
 * loads only what that room needs.
 */
export * from './bank/index.js';
export { type Config, resolveConfig } from './config.js';
export * from './discrepancy/index.js';
export {
  ERROR_CATALOGUE,
  type ErrorCode,
  type ErrorDetails,
  FoilbankError,
  type GrpcStatus,
} from './errors.js';
export * from './faces/index.js';
export * from './neighbours/index.js';
export * from './onnx/index.js';
export * from './pipeline/index.js';
export * from './scoring/index.js';
export * from './synthesis/index.js';
export * from './vectors/index.js';
