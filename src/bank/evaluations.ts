import { FoilbankError, reasonOf } from '../errors.js';
import { canonicalJson } from './canonical.js';
import { readChecked, sha256Of } from './hashing.js';
import { layoutOf } from './layout.js';
import { findPublication } from './open.js';
import type { BankStore, StoredObject } from './store.js';

/** A larger one is none of ours. */
const MOST_BYTES = 1 << 20;
const NAME = /^(\d{8}T\d{9}Z)-([0-9a-f]{64})\.json$/;

/** What an evaluation said of a version: it lies beside the version, which itself never changes. */
export interface KeptEvaluation {
  readonly at: Date;
  /** As it was kept; absent where it is damaged. */
  readonly document?: unknown;
  /** Why it cannot be read. */
  readonly fault?: string;
}

/**
 * Keeps an evaluation's figures beside a version, so that every server of the bank can show them. The object is named by its time and
 * its own hash and never changes.
 *
 * @param version default: the one in service
 * @returns the version
 * @throws FoilbankError FB_BANK_NAME_INVALID, FB_BANK_NOT_FOUND, FB_BANK_VERSION_NOT_FOUND, FB_BANK_VERSION_REMOVED, FB_BANK_CORRUPT,
 *   FB_STORE_FULL, FB_FILE_UNWRITABLE
 */
export async function keepEvaluation(
  store: BankStore,
  bank: string,
  version: string | undefined,
  document: object,
  at: Date = new Date(),
): Promise<string> {
  const layout = layoutOf(bank);
  const found = await findPublication(store, layout, version);
  const bytes = Buffer.from(canonicalJson(document));
  const name = `${at.toISOString().replace(/[-:.]/g, '')}-${sha256Of(bytes)}.json`;
  await store.writeNew(`${layout.evaluationsOf(found.version)}/${name}`, bytes);
  return found.version;
}

/**
 * The newest evaluations kept of a version, newest first.
 *
 * @param most how many
 * @throws FoilbankError FB_BANK_NAME_INVALID, FB_FILE_UNREADABLE
 */
export async function keptEvaluations(
  store: BankStore,
  bank: string,
  version: string,
  most: number,
): Promise<KeptEvaluation[]> {
  const objects = await store.list(layoutOf(bank).evaluationsOf(version));
  return Promise.all(
    objects
      .slice(-most)
      .reverse()
      .map(async (object) => {
        const at = timeOf(object) ?? object.modified;
        try {
          return { at, document: await readEvaluation(store, object) };
        } catch (error) {
          if (!(error instanceof FoilbankError && error.code === 'FB_BANK_CORRUPT')) throw error;
          return { at, fault: error.message };
        }
      }),
  );
}

/** @throws FoilbankError FB_BANK_CORRUPT */
export async function readEvaluation(store: BankStore, { key, bytes }: StoredObject): Promise<unknown> {
  const corrupt = (reason: string) => new FoilbankError('FB_BANK_CORRUPT', { file: key, reason });
  const sha256 = NAME.exec(nameOf(key))?.[2];
  if (sha256 === undefined) throw corrupt('its name is not that of an evaluation');
  if (bytes > MOST_BYTES) throw corrupt(`it has ${bytes} bytes, an evaluation at most ${MOST_BYTES}`);
  const text = Buffer.from(await readChecked(store, key, { bytes, sha256 })).toString();
  try {
    return JSON.parse(text);
  } catch (error) {
    throw corrupt(reasonOf(error));
  }
}

const nameOf = (key: string): string => key.slice(key.lastIndexOf('/') + 1);

function timeOf({ key }: StoredObject): Date | undefined {
  const [, time = ''] = NAME.exec(nameOf(key)) ?? [];
  const iso = time.replace(/^(....)(..)(..)T(..)(..)(..)(...)Z$/, '$1-$2-$3T$4:$5:$6.$7Z');
  return time === '' ? undefined : new Date(iso);
}
