import { FoilbankError } from '../errors.js';
import { type Attempt, claimedBy } from './claim.js';
import { type Layout, layoutOf } from './layout.js';
import type { Manifest } from './manifest.js';
import { readManifest } from './open.js';
import { type Publication, publicationLog, standingOf } from './publication.js';
import type { BankStore } from './store.js';

/**
 * What an earlier try of the same attempt published, whatever is in service now.
 *
 * @throws FoilbankError FB_BANK_NAME_INVALID, FB_BANK_VERSION_REMOVED, FB_BANK_CORRUPT, FB_FILE_UNREADABLE
 */
export async function publishedBy(
  store: BankStore,
  bank: string,
  attempt: Attempt,
): Promise<Manifest | undefined> {
  const layout = layoutOf(bank);
  const claimed = await claimedBy(store, layout, attempt);
  if (claimed.length === 0) return undefined;
  const { publications } = await publicationLog(store, layout);
  const done = publications.find((p) => claimed.includes(p.version));
  return done && manifestOf(store, layout, publications, done);
}

/** @throws FoilbankError FB_BANK_VERSION_REMOVED, FB_BANK_CORRUPT */
export async function manifestOf(
  store: BankStore,
  layout: Layout,
  publications: readonly Publication[],
  publication: Publication,
): Promise<Manifest> {
  const { version } = publication;
  const standing = standingOf(publications);
  if (!standing?.removed.has(version)) return readManifest(store, layout, publication);
  const { bank } = layout;
  throw new FoilbankError('FB_BANK_VERSION_REMOVED', { bank, version, versions: standing.kept.join(', ') });
}
