import type { BankStore } from '../bank/index.js';
import type { Config } from '../config.js';
import { reasonOf } from '../errors.js';
import type { Logger } from '../log.js';
import { InferencePool } from '../onnx/index.js';
import { LabelledPairs } from '../pipeline/index.js';
import { JobMetrics } from './metrics.js';
import { openMonitor } from './monitor.js';
import type { Queues } from './queues.js';
import { Makers } from './services.js';
import { JobWorkers } from './worker.js';
import type { WorkerProcessSettings } from './worker-settings.js';

export interface WorkerProcess {
  readonly config: Pick<Config, 'threads' | 'cards' | 'cache' | 'pairs'>;
  readonly store: BankStore;
  readonly queues: Queues;
  readonly log: Logger;
  /** Ends the process's work. */
  readonly signal: AbortSignal;
  readonly settings: WorkerProcessSettings;
}

/**
 * Takes jobs until the signal aborts, then lets those under way finish within the deadline.
 *
 * @throws FoilbankError FB_PORT_UNAVAILABLE
 */
export async function runWorkerProcess(process: WorkerProcess): Promise<void> {
  const { config, store, queues, log, signal, settings } = process;
  const metrics = new JobMetrics(store, queues);
  const { serve, concurrency, lockSeconds, shutdownSeconds } = settings;
  let workers: JobWorkers | undefined;
  const monitor = await openMonitor({
    ...settings.monitor,
    registry: metrics.registry,
    unready: async () => [
      ...(workers?.running ? [] : ['no jobs are taken']),
      ...(await unreadyServices(queues, store)),
    ],
  });
  const pool = new InferencePool({ threads: config.threads });
  const folders = { cards: config.cards, cache: config.cache };
  const pairs = config.pairs && new LabelledPairs(pool, config.pairs);
  try {
    const services = { pool, store, folders, pairs, makers: new Makers(pool, folders) };
    const context = { services, queues, metrics, log, serve, concurrency, lockDuration: lockSeconds * 1000 };
    // A folder that was seen to hold banks is not taken for an empty store once its drive is gone.
    await store.folders('').catch(() => {});
    workers = new JobWorkers(context);
    log.info({ queues: serve, concurrency, threads: config.threads, store: store.location }, 'taking jobs');
    log.info({ url: monitor.url }, 'ready');
    await aborted(signal);
    log.info({ seconds: shutdownSeconds }, 'finishing');
    await workers.close(shutdownSeconds * 1000);
  } finally {
    await monitor.close();
    await pool.close();
  }
}

/** What keeps Redis or the store from being used now. */
export async function unreadyServices(queues: Queues, store: BankStore): Promise<readonly string[]> {
  const reasons: string[] = [];
  await queues.testWrite().catch((error: unknown) => reasons.push(`Redis: ${reasonOf(error)}`));
  await store.folders('').catch((error: unknown) => reasons.push(`store: ${reasonOf(error)}`));
  return reasons;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
