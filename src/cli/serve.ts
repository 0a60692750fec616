import { setFlagsFromString } from 'node:v8';
import { Command } from 'commander';
import { createLog } from '../log.js';
import { openService, resolveServeSettings, startTracing } from '../service/index.js';
import type { CliContext, ContextOf } from './context.js';
import { whole } from './options.js';

interface ServeOptions {
  readonly host?: string;
  readonly port?: number;
  readonly banks?: string;
  readonly keys?: string;
  readonly auth: boolean;
  readonly studio: boolean;
}

export function serveCommand(context: ContextOf): Command {
  return new Command('serve')
    .description(
      'answer gRPC, gRPC-Web and JSON requests on one port until SIGTERM or Ctrl-C; logs JSON lines',
    )
    .option('--host <address>', 'FOILBANK_HOST, default 127.0.0.1')
    .option('--port <number>', 'FOILBANK_PORT, default 8080; 0 takes a free one', whole(0, 65_535))
    .option('--banks <names>', 'with commas between (FOILBANK_BANKS, default: default)')
    .option('--keys <file>', 'API keys (FOILBANK_KEYS, default: foilbank-keys.json)')
    .option('--no-auth', 'everybody may do everything; on loopback only')
    .option('--no-studio', 'no pages for browsers below /studio/ (FOILBANK_STUDIO=off)')
    .addHelpText(
      'after',
      `
Limits, TLS and batching are set by the environment: docs/service.md.

Examples:
  foilbank keys create --name backend --scopes read,score
  foilbank serve --banks default,lookalikes
  foilbank serve --no-auth --port 0`,
    )
    .action((options: ServeOptions, self: Command) => serve(context(self), options));
}

async function serve({ config, signal }: CliContext, options: ServeOptions): Promise<void> {
  const { host, port, banks, keys, auth, studio } = options;
  const settings = resolveServeSettings(process.env, {
    ...{ host, port, keys, auth, banks: banks?.split(','), ...(studio ? {} : { studio }) },
  });
  // V8 takes what many requests hold at once for what will stay, and makes later ones' objects where only a pass over the whole heap frees
  // them and all that they refer to: young garbage then survives its collections, which take twice as long (docs/service.md).
  setFlagsFromString('--no-allocation-site-pretenuring');
  const log = createLog();
  if (!auth) log.warn('no authentication: everybody on this machine may do everything');
  const stopTracing = await startTracing(log);
  const redis = process.env.REDIS_URL
    ? import('../jobs/index.js').then(({ resolveRedis }) => resolveRedis())
    : undefined;
  // It is looked at by whoever waits for it.
  redis?.catch(() => {});
  const service = await openService({ config, settings, redis, log });
  log.info({ url: service.url, banks: settings.banks, store: config.store }, 'listening');
  service.loaded.then(() => log.info(service.readiness(), 'banks looked at'));
  await new Promise<void>((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await service.close();
  await stopTracing();
}
