import { ReplyError } from 'ioredis';
import { FoilbankError, reasonOf } from '../errors.js';
import type { Logger } from '../log.js';
import { connectForCommands, connectForWorker, type RedisSettings, resolveRedis } from './connection.js';
import { Queues } from './queues.js';

/** What BullMQ's scripts need. */
const OLDEST = [6, 2] as const;

/**
 * Connects to Redis and opens the queues.
 *
 * @throws FoilbankError FB_REDIS_UNREACHABLE, FB_REDIS_REFUSED, FB_REDIS_TOO_OLD
 */
export async function openQueues(settings: RedisSettings): Promise<Queues> {
  const { where, prefix } = settings;
  const connection = connectForCommands(settings);
  // What `connect` rejects with says only that it failed; why comes as an event.
  let reason: unknown;
  connection.on('error', (error: Error & { lastNodeError?: Error }) => {
    reason = error.lastNodeError ?? error;
  });
  try {
    await connection.connect();
    const info = await connection.info('server').catch((error: unknown) => {
      // Who may not ask is believed.
      if (isNotPermitted(error)) return '';
      throw error;
    });
    const version = /redis_version:(\S+)/.exec(info)?.[1];
    if (version && isOlder(version))
      throw new FoilbankError('FB_REDIS_TOO_OLD', { where, version, wanted: OLDEST.join('.') });
  } catch (error) {
    connection.disconnect();
    if (error instanceof FoilbankError) throw error;
    throw translate(reason ?? error, where);
  }
  return new Queues({ connection, prefix, where, connectWorker: () => connectForWorker(settings) });
}

/**
 * As `openQueues`, with the Redis of the environment, and with what is doubtful about its settings in the log.
 *
 * @throws FoilbankError FB_REDIS_UNSET, and those of `resolveRedis` and `openQueues`
 */
export async function openCheckedQueues(
  env: Readonly<Record<string, string | undefined>>,
  log: Logger,
): Promise<Queues> {
  const settings = resolveRedis(env);
  if (!settings) throw new FoilbankError('FB_REDIS_UNSET', {});
  const queues = await openQueues(settings);
  for (const warning of await checkRedis(queues)) log.warn(warning, 'Redis setting');
  return queues;
}

function isOlder(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]);
}

/** @returns the coded form of what Redis, or a lost connection to it, made a call fail with; anything else as it is */
export function asRedisError(error: unknown, where: string): unknown {
  if (!(error instanceof Error) || error instanceof FoilbankError) return error;
  return isRedisAway(error) || error instanceof ReplyError ? translate(error, where) : error;
}

/** What ioredis says of a connection that was lost, or is not answered. */
const LOST = [
  'Connection is closed.',
  'Command timed out',
  "Stream isn't writeable and enableOfflineQueue options is false",
];
const LOST_NAMES = ['MaxRetriesPerRequestError', 'AbortError', 'ClusterAllFailedError'];
/** What a Redis says that is about to be itself again. */
const PASSING = ['LOADING', 'CLUSTERDOWN', 'MASTERDOWN', 'TRYAGAIN', 'BUSY'];

/** Whether a call failed because Redis cannot be asked now, and may succeed later. */
export function isRedisAway(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof FoilbankError) return false;
  if (error instanceof ReplyError && !LOST_NAMES.includes(error.name))
    return PASSING.some((word) => isRefusal(error, word));
  return LOST_NAMES.includes(error.name) || LOST.includes(error.message);
}

function translate(error: unknown, where: string): FoilbankError {
  // A refused login carries its command, and that the password.
  if (error instanceof Error) Reflect.deleteProperty(error, 'command');
  const refused = ['WRONGPASS', 'NOAUTH', 'NOPERM'].some((word) => isRefusal(error, word));
  const lost = error instanceof Error && error.name === 'MaxRetriesPerRequestError';
  const details = { where, reason: lost ? 'the connection was lost' : reasonOf(error) };
  return refused
    ? new FoilbankError('FB_REDIS_REFUSED', details, { cause: error })
    : new FoilbankError('FB_REDIS_UNREACHABLE', details, { cause: error });
}

const isRefusal = (error: unknown, word: string): boolean =>
  error instanceof ReplyError && reasonOf(error).startsWith(word);

/** Whether the user of this connection lacks the right to a command. */
export const isNotPermitted = (error: unknown): boolean => isRefusal(error, 'NOPERM');

/** A setting of Redis under which jobs can be lost, and what to do. */
export interface RedisWarning {
  readonly setting: string;
  readonly problem: string;
  readonly remedy: string;
}

/** Looks at Redis as BullMQ's production guide wants it. Nothing is changed but one key under the prefix. */
export async function checkRedis(queues: Queues): Promise<readonly RedisWarning[]> {
  const warnings: RedisWarning[] = [];
  const setting = async (name: string): Promise<string | undefined> => {
    // A cluster answers for one node; they are set alike.
    const answer = await (queues.settings.connection as { config(...args: string[]): Promise<unknown> })
      .config('GET', name)
      .catch(() => undefined);
    return Array.isArray(answer) ? (answer[1] as string | undefined) : undefined;
  };
  const [policy, appendOnly] = [await setting('maxmemory-policy'), await setting('appendonly')];
  if (policy === undefined || appendOnly === undefined)
    warnings.push({
      setting: 'CONFIG',
      problem: 'its settings cannot be asked for',
      remedy: 'See to it that maxmemory-policy is noeviction and appendonly is yes.',
    });
  if (policy !== undefined && policy !== 'noeviction')
    warnings.push({
      setting: 'maxmemory-policy',
      problem: `it is ${policy}: when memory is short, Redis throws jobs away`,
      remedy: 'Set maxmemory-policy noeviction.',
    });
  if (appendOnly !== undefined && appendOnly !== 'yes')
    warnings.push({
      setting: 'appendonly',
      problem: 'it is off: a crash loses jobs (faces that were made are safe in the store)',
      remedy: 'Set appendonly yes.',
    });
  await queues.testWrite().catch((error: unknown) =>
    warnings.push({
      setting: 'write',
      problem: `it takes none: ${reasonOf(error)}`,
      remedy:
        'Give it memory and disk, a user who may write under the prefix, and the address of no replica.',
    }),
  );
  return warnings;
}
