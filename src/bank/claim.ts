import { FoilbankError } from '../errors.js';
import { readWhole } from './hashing.js';
import { type Layout, versionName } from './layout.js';
import type { BankStore, StoredObject } from './store.js';

/**
 * Tries of one publication: a job that was killed and is repeated, or two workers that both believe they hold it. They
 * share a version number and a time, so they write the same bytes, and the first to finish has finished for all.
 */
export interface Attempt {
  /** 1 to 256 printable ASCII characters that no other publication of this bank bears. */
  readonly id: string;
  /** The manifest's `createdAt`. */
  readonly at: Date;
}

/** @throws FoilbankError FB_OPTION_INVALID */
export function checkAttempt({ id, at }: Attempt): void {
  const invalid = (option: string, value: string, expected: string) =>
    new FoilbankError('FB_OPTION_INVALID', { option, value, expected });
  if (!/^[\x21-\x7e]{1,256}$/.test(id))
    throw invalid('attempt.id', JSON.stringify(id), '1 to 256 printable ASCII characters');
  if (Number.isNaN(at.getTime())) throw invalid('attempt.at', String(at), 'a time');
}

/** The version numbers that tries of this publication took. One, unless tries differed in bytes. */
export async function claimedBy(store: BankStore, layout: Layout, attempt: Attempt): Promise<string[]> {
  return (await own(store, await store.list(layout.claims), attempt)).map(({ key }) => nameOf(layout, key));
}

/** A version begun is gone on with for this long. It is collected once untouched for a day. */
const RESUMED_MS = 12 * 3_600_000;

/**
 * Takes a version number that nobody took before; with an attempt, the one that another try of it took. A claim is an
 * object written once, with the attempt's id in it, so a try killed right after it loses no number.
 *
 * @param unusable versions that this attempt shall not go on with
 */
export async function claimVersion(
  store: BankStore,
  layout: Layout,
  attempt?: Attempt,
  unusable: ReadonlySet<string> = new Set(),
): Promise<string> {
  const claims = await store.list(layout.claims);
  if (attempt) {
    const since = Date.now() - RESUMED_MS;
    const begun = (await own(store, claims, attempt)).findLast(
      ({ key, modified }) => modified.getTime() > since && !unusable.has(nameOf(layout, key)),
    );
    if (begun) return nameOf(layout, begun.key);
  }
  const id = attempt?.id ?? '';
  // From the same listing: another try that began since is met on the way up.
  let number = Math.max(0, ...claims.map(({ key }) => Number(nameOf(layout, key)) || 0));
  for (;;) {
    const version = versionName(++number);
    const key = layout.claim(version);
    if (await store.writeNew(key, Buffer.from(id))) return version;
    if (attempt && (await holderOf(store, key)) === id) return version;
  }
}

const nameOf = (layout: Layout, key: string): string => key.slice(layout.claims.length + 1);

async function own(
  store: BankStore,
  claims: readonly StoredObject[],
  { id }: Attempt,
): Promise<StoredObject[]> {
  const found: StoredObject[] = [];
  for (const claim of claims)
    if (claim.bytes === id.length && (await holderOf(store, claim.key)) === id) found.push(claim);
  return found;
}

async function holderOf(store: BankStore, key: string): Promise<string> {
  return Buffer.from((await readWhole(store, key)) ?? []).toString('latin1');
}
