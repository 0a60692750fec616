import { wholeOf } from '../checks.js';
import { FoilbankError } from '../errors.js';
import { GENERATE, PUBLISH } from './queues.js';
import type { Schedule } from './schedules.js';

export interface WorkerProcessSettings {
  /** Queues to take jobs from. Default both. */
  readonly serve: readonly string[];
  /** FOILBANK_CONCURRENCY: chunks under way at once. 1..64; default 2. */
  readonly concurrency: number;
  /** FOILBANK_MONITOR_HOST, default 127.0.0.1, and FOILBANK_MONITOR_PORT, 0..65535, default 9464; 0 takes any free one. */
  readonly monitor: { readonly host: string; readonly port: number };
  /** FOILBANK_SHUTDOWN_SECONDS: what jobs under way get after SIGTERM before they are handed back. 0..3600; default 25. */
  readonly shutdownSeconds: number;
  /** FOILBANK_LOCK_SECONDS: silence after which another worker takes a job. 1..600; default 30. */
  readonly lockSeconds: number;
}

type Env = Readonly<Record<string, string | undefined>>;

/** @throws FoilbankError FB_OPTION_INVALID */
export function resolveWorkerSettings(
  env: Env,
  overrides: {
    readonly serve?: readonly string[];
    readonly concurrency?: number;
    readonly port?: number;
  } = {},
): WorkerProcessSettings {
  const serve = overrides.serve ?? [GENERATE, PUBLISH];
  for (const queue of serve)
    if (queue !== GENERATE && queue !== PUBLISH)
      throw new FoilbankError('FB_OPTION_INVALID', {
        ...{ option: 'queues', value: JSON.stringify(queue), expected: `${GENERATE} or ${PUBLISH}` },
      });
  return Object.freeze({
    serve: [...new Set(serve)],
    concurrency: overrides.concurrency ?? wholeOf(env, 'FOILBANK_CONCURRENCY', 1, 64, 2),
    monitor: {
      host: env.FOILBANK_MONITOR_HOST || '127.0.0.1',
      port: overrides.port ?? wholeOf(env, 'FOILBANK_MONITOR_PORT', 0, 65535, 9464),
    },
    shutdownSeconds: wholeOf(env, 'FOILBANK_SHUTDOWN_SECONDS', 0, 3600, 25),
    lockSeconds: wholeOf(env, 'FOILBANK_LOCK_SECONDS', 1, 600, 30),
  });
}

/** What the scheduler's process tends, out of FOILBANK_REFRESH_BANK, _CRON, _TZ, _SIZE and _KEEP. @throws FoilbankError FB_OPTION_INVALID */
export function resolveRefreshSchedule(env: Env): {
  readonly schedule: Schedule;
  readonly request: { bank: string; networks: object; options: { size?: number }; keep?: number };
} {
  const size = wholeOf(env, 'FOILBANK_REFRESH_SIZE', 0, 2_000_000, 0);
  const keep = wholeOf(env, 'FOILBANK_REFRESH_KEEP', 0, 1000, 7);
  return {
    schedule: {
      pattern: env.FOILBANK_REFRESH_CRON || '30 3 * * *',
      timeZone: env.FOILBANK_REFRESH_TZ || 'UTC',
    },
    request: {
      bank: env.FOILBANK_REFRESH_BANK || 'default',
      networks: {},
      options: size ? { size } : {},
      ...(keep ? { keep } : {}),
    },
  };
}
