import { join } from 'node:path';
import { type BankStore, openStore } from '../src/bank/index.js';
import { type Config, resolveConfig } from '../src/config.js';
import { FoilbankError } from '../src/errors.js';
import {
  openCheckedQueues,
  type Queues,
  resolveWorkerSettings,
  runWorkerProcess,
} from '../src/jobs/index.js';
import { createLog, type Logger } from '../src/log.js';
import { stopSignal } from '../src/stop-signal.js';

/** What every worker process begins with: configuration from the environment, a log, the queues, and an end on SIGTERM. */
export async function start(
  work: (parts: { queues: Queues; log: Logger; signal: AbortSignal }) => Promise<void>,
): Promise<void> {
  const log = createLog();
  const { signal } = stopSignal(() => log.info('asked to stop'));
  try {
    const queues = await openCheckedQueues(process.env, log);
    await work({ queues, log, signal }).finally(() => queues.close());
  } catch (error) {
    const { code, remedy } =
      error instanceof FoilbankError ? error : { code: 'FB_UNEXPECTED', remedy: undefined };
    log.fatal(
      { code, remedy, ...(remedy ? {} : { err: error }) },
      error instanceof Error ? error.message : 'failed',
    );
    process.exitCode = 1;
  }
  // Threads are stopped by now. What is asked of a Redis that is gone would keep the process for seconds more.
  process.exit();
}

/** As the command line opens it: what is read from S3 lies in one place. */
export const storeOf = ({ store, cache }: Config): BankStore =>
  openStore(store, { cache: join(cache, 'store') });

export const startWorker = (serve: readonly string[]): Promise<void> =>
  start((parts) => {
    const config = resolveConfig();
    const settings = resolveWorkerSettings(process.env, { serve });
    return runWorkerProcess({ ...parts, config, settings, store: storeOf(config) });
  });
