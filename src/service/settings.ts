import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import { wholeOf } from '../checks.js';
import { packageRoot } from '../config.js';
import { FoilbankError, reasonOf } from '../errors.js';
import type { TlsFiles } from './listener.js';

export interface ServeSettings {
  /** FOILBANK_HOST, default 127.0.0.1. */
  readonly host: string;
  /** FOILBANK_PORT, 0..65535, default 8080; 0 takes any free one. */
  readonly port: number;
  /** FOILBANK_BANKS: names with commas between, default `default`. Requests without a name mean the first. */
  readonly banks: readonly string[];
  /** FOILBANK_KEYS: file of API keys, default `foilbank-keys.json`; undefined: everybody may do everything (loopback only). */
  readonly keys: string | undefined;
  /** FOILBANK_TLS_CERT, FOILBANK_TLS_KEY, and for mutual TLS FOILBANK_TLS_CLIENT_CA: PEM files. */
  readonly tls: TlsFiles | undefined;
  readonly limits: {
    /** FOILBANK_MAX_MESSAGE_BYTES, 1,024..268,435,456, default 16 MiB. */
    readonly messageBytes: number;
    /** FOILBANK_MAX_EMBEDDINGS of one request, 1..4,096, default 1,024. */
    readonly embeddings: number;
    /** FOILBANK_MAX_K, 1..1,000,000, default 4,096; never below what a bank recommends. */
    readonly k: number;
    /** FOILBANK_MAX_RESULTS, neighbours or scores of one reply, 1..1,048,576, default 16,384. */
    readonly results: number;
    /** FOILBANK_MAX_CONCURRENCY, requests under way, 1..65,536, default 512. */
    readonly concurrency: number;
    /** FOILBANK_MAX_DEADLINE_MS of a request, 10..86,400,000, default 60,000. Longer ones are refused. */
    readonly deadlineMs: number;
  };
  readonly batches: {
    /** FOILBANK_BATCH_ROWS, embeddings of one search, 1..1,024, default 64. */
    readonly maxRows: number;
    /** FOILBANK_BATCH_WAIT_MS, that a request waits for others while the engine is busy, 0..1,000, default 10. */
    readonly maxWaitMs: number;
    /** FOILBANK_QUEUE_ROWS, embeddings that may wait, 1..1,000,000, default 8,192. */
    readonly maxWaiting: number;
  };
  /** FOILBANK_POLL_MS between looks at which version is in service, 100..3,600,000, default 2,000. */
  readonly pollMs: number;
  /** FOILBANK_OLDER_IDLE_SECONDS that an older version stays loaded after the last lookup that named it, 1..86,400, default 300. */
  readonly olderIdleMs: number;
  /** FOILBANK_SHUTDOWN_SECONDS that requests under way get after SIGTERM, 0..3,600, default 25. */
  readonly shutdownSeconds: number;
  /** Folder of the studio's built pages, those of this package unless given; undefined: no studio (FOILBANK_STUDIO=off). */
  readonly studio: string | undefined;
  readonly sessions: {
    /** FOILBANK_SESSION_IDLE_MINUTES after which an unused session ends, 1..1,440, default 30. */
    readonly idleMs: number;
    /** FOILBANK_SESSION_HOURS after which a session ends in any case, 1..168, default 12. */
    readonly longestMs: number;
  };
  /** FOILBANK_PICTURE_BYTES of virtual faces' pictures that are kept in memory, 65,536..2^34, default 64 MiB. */
  readonly pictureBytes: number;
  /** FOILBANK_PATIENCE_MS within which a request must have come in whole, 100..600,000, default 15,000. */
  readonly patienceMs: number;
}

type Env = Readonly<Record<string, string | undefined>>;

export interface ServeOverrides {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly banks?: readonly string[] | undefined;
  readonly keys?: string | undefined;
  readonly auth?: boolean | undefined;
  /** false: no studio; a folder: its built pages. */
  readonly studio?: boolean | string | undefined;
}

/** @throws FoilbankError FB_OPTION_INVALID, FB_AUTH_NEEDED, FB_FILE_UNREADABLE */
export function resolveServeSettings(env: Env = process.env, overrides: ServeOverrides = {}): ServeSettings {
  const whole = (name: string, min: number, max: number, otherwise: number) =>
    wholeOf(env, name, min, max, otherwise);
  const host = overrides.host ?? (env.FOILBANK_HOST || '127.0.0.1');
  const open = overrides.auth === false;
  if (open && !isLoopback(host)) throw new FoilbankError('FB_AUTH_NEEDED', { host });
  const names = overrides.banks ?? (env.FOILBANK_BANKS || 'default').split(',');
  const banks = [...new Set(names.map((name) => name.trim()).filter(Boolean))];
  if (banks.length === 0)
    throw new FoilbankError('FB_OPTION_INVALID', {
      ...{ option: 'FOILBANK_BANKS', value: '""', expected: 'names of banks with commas between' },
    });
  return Object.freeze({
    ...{ host, banks, port: overrides.port ?? whole('FOILBANK_PORT', 0, 65_535, 8080) },
    keys: open ? undefined : resolve(overrides.keys ?? (env.FOILBANK_KEYS || 'foilbank-keys.json')),
    tls: tlsOf(env),
    limits: {
      messageBytes: whole('FOILBANK_MAX_MESSAGE_BYTES', 1024, 2 ** 28, 2 ** 24),
      embeddings: whole('FOILBANK_MAX_EMBEDDINGS', 1, 4096, 1024),
      k: whole('FOILBANK_MAX_K', 1, 1_000_000, 4096),
      results: whole('FOILBANK_MAX_RESULTS', 1, 2 ** 20, 16_384),
      concurrency: whole('FOILBANK_MAX_CONCURRENCY', 1, 65_536, 512),
      deadlineMs: whole('FOILBANK_MAX_DEADLINE_MS', 10, 86_400_000, 60_000),
    },
    batches: {
      maxRows: whole('FOILBANK_BATCH_ROWS', 1, 1024, 64),
      maxWaitMs: whole('FOILBANK_BATCH_WAIT_MS', 0, 1000, 10),
      maxWaiting: whole('FOILBANK_QUEUE_ROWS', 1, 1_000_000, 8192),
    },
    pollMs: whole('FOILBANK_POLL_MS', 100, 3_600_000, 2000),
    olderIdleMs: 1000 * whole('FOILBANK_OLDER_IDLE_SECONDS', 1, 86_400, 300),
    shutdownSeconds: whole('FOILBANK_SHUTDOWN_SECONDS', 0, 3600, 25),
    studio: studioOf(env, overrides.studio),
    sessions: {
      idleMs: 60_000 * whole('FOILBANK_SESSION_IDLE_MINUTES', 1, 1440, 30),
      longestMs: 3_600_000 * whole('FOILBANK_SESSION_HOURS', 1, 168, 12),
    },
    pictureBytes: whole('FOILBANK_PICTURE_BYTES', 2 ** 16, 2 ** 34, 2 ** 26),
    patienceMs: whole('FOILBANK_PATIENCE_MS', 100, 600_000, 15_000),
  });
}

function studioOf(env: Env, given: boolean | string | undefined): string | undefined {
  const value = env.FOILBANK_STUDIO || 'on';
  if (value !== 'on' && value !== 'off')
    throw new FoilbankError('FB_OPTION_INVALID', {
      ...{ option: 'FOILBANK_STUDIO', value: JSON.stringify(value), expected: 'on or off' },
    });
  if (typeof given === 'string') return resolve(given);
  return (given ?? value === 'on') ? join(packageRoot(), 'dist', 'web') : undefined;
}

/** Names are not asked: what they resolve to may change. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));

function tlsOf(env: Env): TlsFiles | undefined {
  const { FOILBANK_TLS_CERT: cert, FOILBANK_TLS_KEY: key, FOILBANK_TLS_CLIENT_CA: clientCa } = env;
  if (!cert && !key && !clientCa) return undefined;
  if (!cert || !key)
    throw new FoilbankError('FB_OPTION_INVALID', {
      option: cert ? 'FOILBANK_TLS_KEY' : 'FOILBANK_TLS_CERT',
      ...{ value: '""', expected: 'a PEM file: TLS needs a certificate and its key' },
    });
  return { cert: read(cert), key: read(key), clientCa: clientCa ? read(clientCa) : undefined };
}

function read(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new FoilbankError('FB_FILE_UNREADABLE', { file, reason: reasonOf(error) }, { cause: error });
  }
}
