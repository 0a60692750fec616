import { Command } from 'commander';
import { openCheckedQueues, resolveWorkerSettings, runWorkerProcess } from '../jobs/index.js';
import { createLog } from '../log.js';
import { storeOf } from './bank-options.js';
import type { CliContext, ContextOf } from './context.js';
import { whole } from './options.js';

interface WorkerOptions {
  readonly queues?: string;
  readonly concurrency?: number;
  readonly port?: number;
}

export function workerCommand(context: ContextOf): Command {
  return new Command('worker')
    .option('--queues <names>', 'generate, publish, or both with a comma between (default: both)')
    .option(
      '--concurrency <count>',
      'chunks under way at once (FOILBANK_CONCURRENCY, default 2)',
      whole(1, 64),
    )
    .option(
      '--port <number>',
      'of /livez, /readyz and /metrics (FOILBANK_MONITOR_PORT, default 9464)',
      whole(0, 65535),
    )
    .addHelpText(
      'after',
      `
Several workers on one machine: give each its share of the cores with --threads, and its own --port.

Examples:
  REDIS_URL=redis://localhost:6379 foilbank worker
  foilbank worker --queues generate --threads 1 --port 0`,
    )
    .action((options: WorkerOptions, self: Command) => work(context(self), options));
}

async function work(context: CliContext, { queues: names, concurrency, port }: WorkerOptions): Promise<void> {
  const settings = resolveWorkerSettings(process.env, {
    ...(names === undefined ? {} : { serve: names.split(',').map((name) => name.trim()) }),
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(port === undefined ? {} : { port }),
  });
  const log = createLog();
  const { config, signal } = context;
  const queues = await openCheckedQueues(process.env, log);
  try {
    await runWorkerProcess({ config, queues, log, signal, settings, store: storeOf(context) });
  } finally {
    await queues.close();
  }
  // Threads are stopped by now. What is asked of a Redis that is gone would keep the process for seconds more.
  process.exit();
}
