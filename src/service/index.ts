export { type ApiKey, createKey, readKeys, revokeKey, SCOPES, type ScopeName } from './keys.js';
export { openService } from './serve.js';
export type { ServeInputs, Service } from './serve-inputs.js';
export { resolveServeSettings, type ServeOverrides, type ServeSettings } from './settings.js';
export { startTracing } from './tracing.js';
