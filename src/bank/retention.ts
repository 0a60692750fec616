import { checkWhole } from '../checks.js';
import { FoilbankError, throwIfCancelled } from '../errors.js';
import { collectGarbage } from './collect.js';
import { type Layout, layoutOf } from './layout.js';
import { findPublication } from './open.js';
import { appendRecord, type Publication, publicationLog, type Standing, standingOf } from './publication.js';
import type { BankStore } from './store.js';

const DAYS = 24 * 3_600_000;

/**
 * Keeps a version whatever is pruned. A version that is pinned already stays so.
 *
 * @throws FoilbankError FB_BANK_NAME_INVALID, FB_BANK_NOT_FOUND, FB_BANK_VERSION_NOT_FOUND, FB_BANK_VERSION_REMOVED,
 *   FB_BANK_CORRUPT, FB_STORE_FULL, FB_FILE_UNWRITABLE
 */
export async function pinVersion(store: BankStore, bank: string, version: string): Promise<void> {
  const layout = layoutOf(bank);
  await change(store, layout, 'pin', async ({ pinned }) => {
    await findPublication(store, layout, version);
    return pinned.has(version) ? [] : [version];
  });
}

/** @throws as `pinVersion` */
export async function unpinVersion(store: BankStore, bank: string, version: string): Promise<void> {
  const layout = layoutOf(bank);
  await change(store, layout, 'unpin', async ({ pinned }) => {
    await findPublication(store, layout, version);
    return pinned.has(version) ? [version] : [];
  });
}

export interface PruneOptions {
  /** How many of the newest versions are kept, 1 to 10,000; those pinned and that in service are kept besides. */
  readonly keep: number;
  /** Parts of a recipe of which none was written since go too. Default 7 days ago. */
  readonly partsBefore?: Date;
  /** Asked before every object; what was not removed then goes with the next call. */
  readonly signal?: AbortSignal;
}

/** What went. */
export interface Pruned {
  /** Versions that were in service once. */
  readonly versions: readonly string[];
  /** Versions that a killed publisher left unfinished. */
  readonly unfinished: readonly string[];
  /** Folders of parts, by the names that their recipes gave them. */
  readonly parts: readonly string[];
  readonly bytes: number;
}

/**
 * Removes old versions, old parts and what killed processes left. That versions are removed is said in the bank's log,
 * as the record that follows the last one read, before the first of their files goes: a rollback to one of them either
 * came before, and the version is in service and stays, or finds it removed.
 *
 * @throws FoilbankError FB_BANK_NAME_INVALID, FB_BANK_NOT_FOUND, FB_OPTION_INVALID, FB_BANK_CORRUPT, FB_STORE_FULL,
 *   FB_FILE_UNWRITABLE, FB_CANCELLED
 */
export async function pruneBank(store: BankStore, bank: string, options: PruneOptions): Promise<Pruned> {
  const { keep, signal, partsBefore = new Date(Date.now() - 7 * DAYS) } = options;
  checkWhole('keep', keep, 1, 10_000);
  const layout = layoutOf(bank);
  throwIfCancelled(signal, `pruning of bank ${bank}`);
  const { removed } = await change(store, layout, 'remove', async (standing) => expendable(standing, keep));
  let bytes = 0;
  const clear = async (folder: string) => {
    // A part's seal sorts after it and goes first, so that what is left is not taken for whole.
    const objects = [...(await store.list(folder))].reverse();
    for (const object of objects) {
      throwIfCancelled(signal, `pruning of bank ${bank}`);
      await store.remove(object.key);
      bytes += object.bytes;
    }
    return objects.length > 0;
  };
  const versions: string[] = [];
  for (const version of await store.folders(layout.versions))
    if (removed.has(version) && (await clear(layout.version(version)))) versions.push(version);
  for (const version of await store.folders(layout.evaluations))
    if (removed.has(version)) await clear(layout.evaluationsOf(version));
  const unfinished = await collectGarbage(store, bank);
  const parts: string[] = [];
  for (const recipe of await store.folders(layout.parts)) {
    const folder = `${layout.parts}/${recipe}`;
    if ((await store.list(folder)).every((o) => o.modified < partsBefore) && (await clear(folder)))
      parts.push(recipe);
  }
  return { versions, unfinished, parts, bytes };
}

function expendable({ inService, kept, pinned }: Standing, keep: number): string[] {
  return kept.slice(0, -keep).filter((version) => version !== inService.version && !pinned.has(version));
}

/** Appends a record to the log as it was read, and reads it again when another came first. */
async function change(
  store: BankStore,
  layout: Layout,
  kind: NonNullable<Publication['change']>['kind'],
  decide: (standing: Standing) => Promise<string[]>,
): Promise<Standing> {
  for (;;) {
    const { publications, damaged, last } = await publicationLog(store, layout);
    const [damage] = damaged;
    if (damage) throw new FoilbankError('FB_BANK_CORRUPT', damage);
    const standing = standingOf(publications);
    if (!standing) throw new FoilbankError('FB_BANK_NOT_FOUND', { store: store.location, bank: layout.bank });
    const versions = await decide(standing);
    if (versions.length === 0) return standing;
    const record = { ...standing.inService, generation: last + 1, change: { kind, versions } };
    if (await appendRecord(store, layout, record)) return standingOf([...publications, record]) ?? standing;
  }
}
