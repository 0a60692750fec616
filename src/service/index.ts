export { type ApiKey, createKey, readKeys, revokeKey, SCOPES, type ScopeName } from './keys.js';
export { openService, type ServeInputs, type Service } from './serve.js';
export { resolveServeSettings, type ServeOverrides, type ServeSettings } from './settings.js';
export { startTracing } from './tracing.js';
