export { type RedisSettings, resolveRedis } from './connection.js';
export {
  cancelFlow,
  type FlowDetails,
  type FlowStatus,
  type FlowView,
  failedChunks,
  listFlows,
  retryFlow,
  showFlow,
} from './inspect.js';
export { runLocally } from './local.js';
export { JobMetrics } from './metrics.js';
export { openMonitor } from './monitor.js';
export { asRedisError, openCheckedQueues, openQueues } from './open-queues.js';
export type { FlowRequest } from './payloads.js';
export { enqueueFlow, GENERATE, PUBLISH, Queues } from './queues.js';
export { runWorkerProcess, unreadyServices } from './run-worker.js';
export { listSchedules, removeSchedule, type Schedule, setSchedule } from './schedules.js';
export { type JobServices, Makers } from './services.js';
export { tendSchedule } from './tend-schedule.js';
export { watchFlow } from './watch.js';
export { JobWorkers } from './worker.js';
export {
  resolveRefreshSchedule,
  resolveWorkerSettings,
  type WorkerProcessSettings,
} from './worker-settings.js';
