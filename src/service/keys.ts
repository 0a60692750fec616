import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { chmod, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { FoilbankError, reasonOf } from '../errors.js';
import { readBytes, writeWhole } from '../files.js';

/**
 * API keys as they lie on disk: never the secret, only its SHA-256. A secret is 256 random bits, so a slow hash would protect
 * nothing more.
 */
export const SCOPES = ['read', 'score', 'admin'] as const;
export type ScopeName = (typeof SCOPES)[number];

const keySchema = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{12}$/),
  name: z.string().min(1).max(64),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  scopes: z.array(z.enum(SCOPES)).min(1),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime().optional(),
  /** Requests a second; absent: as many as the server takes. */
  rate: z.number().min(1).max(1_000_000).optional(),
});
const fileSchema = z.strictObject({ format: z.literal('foilbank.keys/1'), keys: z.array(keySchema) });

export type ApiKey = z.infer<typeof keySchema>;
const TOKEN = /^fbk_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/;
const digest = (secret: string): string => createHash('sha256').update(secret).digest('hex');

/** @throws FoilbankError FB_KEYS_MISSING, FB_FILE_UNREADABLE, FB_KEYS_INVALID */
export async function readKeys(file: string): Promise<readonly ApiKey[]> {
  const bytes = await readBytes(file).catch((error: FoilbankError) => {
    const { code } = error.cause as NodeJS.ErrnoException;
    throw code === 'ENOENT' ? new FoilbankError('FB_KEYS_MISSING', { file }, { cause: error }) : error;
  });
  const invalid = (reason: string, cause?: unknown) =>
    new FoilbankError('FB_KEYS_INVALID', { file, reason }, { cause });
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    throw invalid('it is no JSON', error);
  }
  const parsed = fileSchema.safeParse(json);
  if (!parsed.success) throw invalid(reasonOf(parsed.error.issues[0]?.message));
  return parsed.data.keys;
}

async function writeKeys(file: string, keys: readonly ApiKey[]): Promise<void> {
  await writeWhole(file, `${JSON.stringify({ format: 'foilbank.keys/1', keys }, null, 2)}\n`);
  await chmod(file, 0o600);
}

/** Milliseconds after which the lock of a process that was killed is void; a living one renews its own. */
const STALE_MS = 5000;

/** Reads the keys, changes them and writes them, while no other process does. @throws FoilbankError FB_FILE_UNWRITABLE, FB_KEYS_INVALID, FB_FILE_UNREADABLE */
async function changeKeys(
  file: string,
  change: (keys: readonly ApiKey[]) => readonly ApiKey[],
): Promise<void> {
  const unwritable = (error: unknown) =>
    new FoilbankError('FB_FILE_UNWRITABLE', { file, reason: reasonOf(error) }, { cause: error });
  const { default: lockfile } = await import('proper-lockfile');
  const unlock = await mkdir(dirname(file), { recursive: true })
    .then(() =>
      lockfile.lock(file, {
        ...{ realpath: false, stale: STALE_MS },
        retries: { retries: 100, factor: 1.2, minTimeout: 20, maxTimeout: 200 },
      }),
    )
    .catch((error: unknown) => {
      throw unwritable(error);
    });
  try {
    await writeKeys(file, change(await readOrNone(file)));
  } finally {
    await unlock();
  }
}

/** No file is no key; one that cannot be read is not overwritten. */
async function readOrNone(file: string): Promise<readonly ApiKey[]> {
  try {
    return await readKeys(file);
  } catch (error) {
    if (error instanceof FoilbankError && error.code === 'FB_KEYS_MISSING') return [];
    throw error;
  }
}

export interface NewKey {
  readonly name: string;
  readonly scopes: readonly ScopeName[];
  readonly expiresAt?: Date | undefined;
  readonly rate?: number | undefined;
}

/**
 * Adds a key to the file. Its token is told once and kept nowhere.
 *
 * @throws FoilbankError FB_KEYS_INVALID, FB_FILE_UNREADABLE, FB_FILE_UNWRITABLE
 */
export async function createKey(file: string, wanted: NewKey): Promise<{ key: ApiKey; token: string }> {
  const id = randomBytes(6).toString('hex');
  const secret = randomBytes(32).toString('base64url');
  const key: ApiKey = {
    ...{ id, name: wanted.name, sha256: digest(secret), scopes: [...wanted.scopes] },
    createdAt: new Date().toISOString(),
    ...(wanted.expiresAt ? { expiresAt: wanted.expiresAt.toISOString() } : {}),
    ...(wanted.rate === undefined ? {} : { rate: wanted.rate }),
  };
  await changeKeys(file, (keys) => [...keys, key]);
  return { key, token: `fbk_${id}_${secret}` };
}

/** Takes a key out of the file; running servers see it within a second. @throws FoilbankError FB_KEY_NOT_FOUND, and as `createKey` */
export async function revokeKey(file: string, id: string): Promise<void> {
  // Where there is no file there is nothing to lock.
  await readKeys(file);
  await changeKeys(file, (keys) => {
    if (!keys.some((key) => key.id === id)) throw new FoilbankError('FB_KEY_NOT_FOUND', { id, file });
    return keys.filter((key) => key.id !== id);
  });
}

/**
 * The key of a token.
 *
 * @throws FoilbankError FB_KEY_INVALID, and only for one who has the secret FB_KEY_EXPIRED
 */
export function keyOf(keys: ReadonlyMap<string, ApiKey>, token: string, now: Date): ApiKey {
  const [, id = '', secret = ''] = TOKEN.exec(token) ?? [];
  const key = keys.get(id);
  // An unknown id costs what a known one does.
  const kept = Buffer.from(key?.sha256 ?? '0'.repeat(64), 'hex');
  const matches = timingSafeEqual(kept, Buffer.from(digest(secret), 'hex'));
  if (!key || !matches) throw new FoilbankError('FB_KEY_INVALID', {});
  return unexpired(key, now);
}

/** @throws FoilbankError FB_KEY_EXPIRED */
export function unexpired(key: ApiKey, now: Date): ApiKey {
  const { id, expiresAt } = key;
  if (expiresAt && new Date(expiresAt) <= now)
    throw new FoilbankError('FB_KEY_EXPIRED', { id, at: expiresAt });
  return key;
}
