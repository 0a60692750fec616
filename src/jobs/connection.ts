import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { Cluster, Redis } from 'ioredis';
import { FoilbankError, reasonOf } from '../errors.js';

export type Connection = Redis | Cluster;

/** Where the queues lie. Made by `resolveRedis`; it may hold a password, so it is never logged: `where` is for that. */
export interface RedisSettings {
  /** Host and port, without user or password. */
  readonly where: string;
  /** Of every key. Braces keep both queues in one slot of a Redis Cluster. */
  readonly prefix: string;
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly cluster: boolean;
  readonly options: {
    readonly username?: string;
    readonly password?: string;
    readonly db?: number;
    readonly tls?: ConnectionOptions;
  };
}

type Env = Readonly<Record<string, string | undefined>>;

/**
 * The Redis of REDIS_URL: `redis://` or, with TLS, `rediss://`, then `user:password@`, host, port and database. Several
 * addresses with commas between, or FOILBANK_REDIS_CLUSTER=1, are a Redis Cluster. FOILBANK_REDIS_CA names a file with the
 * authority that signed the server's certificate; FOILBANK_REDIS_CERT and _KEY a client's own. FOILBANK_REDIS_PREFIX goes
 * before every key, default `{foilbank}`.
 *
 * @returns undefined when REDIS_URL is not set
 * @throws FoilbankError FB_REDIS_URL_INVALID, FB_OPTION_INVALID, FB_FILE_UNREADABLE
 */
export function resolveRedis(env: Env = process.env): RedisSettings | undefined {
  const given = env.REDIS_URL?.trim();
  if (!given) return undefined;
  const urls = given.split(',').map((part) => parseUrl(part.trim()));
  const [first] = urls as [URL];
  const cluster = urls.length > 1 || env.FOILBANK_REDIS_CLUSTER === '1';
  const database = first.pathname.replace(/^\//, '');
  if (!/^\d{0,3}$/.test(database)) throw invalid('the database is not a number');
  if (cluster && database !== '' && database !== '0') throw invalid('a Redis Cluster has database 0 only');
  const tls = first.protocol === 'rediss:';
  if (urls.some((url) => (url.protocol === 'rediss:') !== tls))
    throw invalid('some addresses have TLS and some not');
  const nodes = urls.map((url) => ({
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || 6379),
  }));
  return Object.freeze({
    where: nodes.map(({ host, port }) => `${host}:${port}`).join(', '),
    prefix: prefixOf(env.FOILBANK_REDIS_PREFIX, cluster),
    ...{ nodes, cluster },
    options: {
      ...(first.username ? { username: decode(first.username) } : {}),
      ...(first.password ? { password: decode(first.password) } : {}),
      ...(database ? { db: Number(database) } : {}),
      ...(tls ? { tls: tlsOf(env) } : {}),
    },
  });
}

/** @param reason never the address itself: it may hold a password */
const invalid = (reason: string) => new FoilbankError('FB_REDIS_URL_INVALID', { reason });

function parseUrl(text: string): URL {
  if (!URL.canParse(text)) throw invalid('it is no address');
  const url = new URL(text);
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:')
    throw invalid('it begins with neither redis:// nor rediss://');
  if (!url.hostname) throw invalid('it names no host');
  return url;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw invalid('user or password has a % that is not followed by two hexadecimal digits');
  }
}

function prefixOf(given: string | undefined, cluster: boolean): string {
  const prefix = given || '{foilbank}';
  const option = 'FOILBANK_REDIS_PREFIX';
  if (!/^[\w{}.-]{1,100}$/.test(prefix))
    throw new FoilbankError('FB_OPTION_INVALID', {
      option,
      value: JSON.stringify(prefix),
      expected: 'up to 100 letters, digits, or _ . - { }',
    });
  if (cluster && !/\{[^{}]+\}/.test(prefix))
    throw new FoilbankError('FB_OPTION_INVALID', {
      option,
      value: prefix,
      expected: 'a name in braces: in a Redis Cluster all keys must share a slot',
    });
  return prefix;
}

function tlsOf(env: Env): ConnectionOptions {
  const read = (file: string | undefined) => {
    if (!file) return undefined;
    try {
      return readFileSync(file);
    } catch (error) {
      throw new FoilbankError('FB_FILE_UNREADABLE', { file, reason: reasonOf(error) }, { cause: error });
    }
  };
  const files = {
    ca: read(env.FOILBANK_REDIS_CA),
    cert: read(env.FOILBANK_REDIS_CERT),
    key: read(env.FOILBANK_REDIS_KEY),
  };
  return Object.fromEntries(Object.entries(files).filter(([, bytes]) => bytes !== undefined));
}

/** Milliseconds before the next try to connect. */
const retryAfter = (tries: number): number => Math.min(200 * tries, 2000);

/** A connection that fails soon when Redis does not answer: for commands, and for new jobs. */
export const connectForCommands = (settings: RedisSettings): Connection =>
  open(settings, { maxRetriesPerRequest: 2, connectTimeout: 5000, commandTimeout: 10_000 });

/** A connection that waits for Redis as long as it takes: for workers. */
export const connectForWorker = (settings: RedisSettings): Connection =>
  open(settings, { maxRetriesPerRequest: null });

function open(
  { nodes, cluster, options }: RedisSettings,
  more: { maxRetriesPerRequest: number | null; connectTimeout?: number; commandTimeout?: number },
): Connection {
  const [first] = nodes as [{ host: string; port: number }];
  const redisOptions = { ...options, ...more };
  const connection = cluster
    ? new Cluster([...nodes], { redisOptions, lazyConnect: true, clusterRetryStrategy: retryAfter })
    : new Redis({ ...redisOptions, ...first, retryStrategy: retryAfter, lazyConnect: true });
  // Told by the call that needed it.
  connection.on('error', () => {});
  return connection;
}
