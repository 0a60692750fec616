// The loop of workers/scheduler.ts, with ten looks a second instead of one a minute.
import { openCheckedQueues, resolveRefreshSchedule, tendSchedule } from '../../dist/src/jobs/index.js';
import { createLog } from '../../dist/src/log.js';
import { stopSignal } from '../../dist/src/stop-signal.js';

const log = createLog();
const { signal } = stopSignal(() => {});
const queues = await openCheckedQueues(process.env, log);
const tending = { queues, log, signal, every: 100, ...resolveRefreshSchedule(process.env) };
await tendSchedule(tending).finally(() => queues.close());
