import { FoilbankError } from '../errors.js';
import { inParallel } from './in-parallel.js';
import { isBankName, layoutOf } from './layout.js';
import type { Manifest } from './manifest.js';
import { findPublication, readManifest } from './open.js';
import { publicationLog, standingOf } from './publication.js';
import type { BankStore } from './store.js';

/** Names of the store's banks that were ever published, ascending. @throws FoilbankError FB_FILE_UNREADABLE */
export async function listBanks(store: BankStore): Promise<readonly string[]> {
  const banks: string[] = [];
  for (const name of await store.folders(''))
    if (isBankName(name) && (await store.folders(name)).includes('published')) banks.push(name);
  return banks;
}

export interface VersionSummary {
  readonly version: string;
  readonly inService: boolean;
  readonly pinned: boolean;
  /** Its files went, by `pruneBank`. */
  readonly removed: boolean;
  /** Absent when it was removed or is damaged: `verifyBank` says how. */
  readonly manifest: Manifest | undefined;
}

/**
 * The versions that were ever in service, oldest first.
 *
 * @throws FoilbankError FB_BANK_NAME_INVALID, FB_BANK_NOT_FOUND, FB_FILE_UNREADABLE
 */
export async function listVersions(store: BankStore, bank: string): Promise<readonly VersionSummary[]> {
  const layout = layoutOf(bank);
  const { publications } = await publicationLog(store, layout);
  const standing = standingOf(publications);
  if (!standing) throw new FoilbankError('FB_BANK_NOT_FOUND', { store: store.location, bank });
  const last = new Map(publications.map((p) => [p.version, p]));
  const ordered = [...last.values()].sort((a, b) => Number(a.version) - Number(b.version));
  return inParallel(ordered, async (publication) => {
    const { version } = publication;
    const [pinned, removed] = [standing.pinned.has(version), standing.removed.has(version)];
    const manifest = removed ? undefined : await undamaged(readManifest(store, layout, publication));
    return { version, inService: version === standing.inService.version, pinned, removed, manifest };
  });
}

/** Undefined for what is damaged; a store that cannot be read is another matter. */
async function undamaged(manifest: Promise<Manifest>): Promise<Manifest | undefined> {
  try {
    return await manifest;
  } catch (error) {
    const damage = ['FB_BANK_CORRUPT', 'FB_BANK_FORMAT_NEWER'];
    if (error instanceof FoilbankError && damage.includes(error.code)) return undefined;
    throw error;
  }
}

/**
 * The manifest of the version in service, or of the one named, without reading its candidates.
 *
 * @throws FoilbankError FB_BANK_NAME_INVALID, FB_BANK_NOT_FOUND, FB_BANK_VERSION_NOT_FOUND, FB_BANK_CORRUPT,
 *   FB_BANK_FORMAT_NEWER, FB_FILE_UNREADABLE
 */
export async function showBank(store: BankStore, bank: string, version?: string): Promise<Manifest> {
  const layout = layoutOf(bank);
  return readManifest(store, layout, await findPublication(store, layout, version));
}
