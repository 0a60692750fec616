import { FoilbankError } from '../errors.js';
import { layoutOf } from './layout.js';
import type { Manifest } from './manifest.js';
import { findPublication, readManifest } from './open.js';
import { appendPublication, type Publication, publicationLog, standingOf } from './publication.js';
import type { BankStore } from './store.js';
import { verifyBank } from './verify.js';

/**
 * Puts an earlier version back into service: the newest one older than that in service, or the one named (also a newer
 * one, after a rollback too many). It is verified first. No file of any version is touched, and a damaged `CURRENT` is
 * written anew.
 *
 * @throws FoilbankError FB_BANK_NAME_INVALID, FB_BANK_NOT_FOUND, FB_BANK_VERSION_NOT_FOUND,
 *   FB_BANK_VERSION_REMOVED, FB_BANK_CORRUPT, FB_BANK_BUSY, FB_STORE_FULL, FB_FILE_UNWRITABLE
 */
export async function rollbackBank(
  store: BankStore,
  bank: string,
  options: { readonly version?: string; readonly signal?: AbortSignal } = {},
): Promise<Manifest> {
  const layout = layoutOf(bank);
  const { publications, last } = await publicationLog(store, layout);
  const target = await findPublication(store, layout, options.version ?? earlierVersion(publications));
  const { version } = target;
  const [problem] = (await verifyBank(store, bank, { ...options, version })).problems.filter(({ file }) =>
    file.startsWith(`${layout.version(version)}/`),
  );
  if (problem) throw new FoilbankError('FB_BANK_CORRUPT', problem);
  const manifest = await readManifest(store, layout, target);
  if (await appendPublication(store, layout, last, version, target.manifestSha256)) return manifest;
  // Pruned meanwhile, or another publication came first.
  await findPublication(store, layout, version);
  throw new FoilbankError('FB_BANK_BUSY', { bank, version });
}

/** The newest version older than that in service. Where there is none, words that no version bears. */
function earlierVersion(publications: readonly Publication[]): string {
  const standing = standingOf(publications);
  const inService = standing?.inService.version ?? '';
  const older = standing?.kept.filter((v) => Number(v) < Number(inService)) ?? [];
  return older.at(-1) ?? `older than ${inService}`;
}
