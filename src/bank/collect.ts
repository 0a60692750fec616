import { layoutOf } from './layout.js';
import { publicationLog } from './publication.js';
import type { BankStore } from './store.js';

const HOURS = 3_600_000;

/**
 * Removes what killed processes left: temporary files, and the files of versions that never came into service. Both
 * only when untouched since `before`, for another process may still be writing them.
 *
 * @param before default 24 hours ago
 * @returns the versions that went
 * @throws FoilbankError FB_BANK_NAME_INVALID, FB_FILE_UNREADABLE
 */
export async function collectGarbage(
  store: BankStore,
  bank: string,
  before: Date = new Date(Date.now() - 24 * HOURS),
): Promise<readonly string[]> {
  const layout = layoutOf(bank);
  await store.sweep(bank, before);
  const { publications, damaged } = await publicationLog(store, layout);
  // A damaged publication might name any version.
  if (damaged.length > 0) return [];
  const published = new Set(publications.map((p) => p.version));
  const collected: string[] = [];
  for (const version of await store.folders(layout.versions)) {
    if (published.has(version)) continue;
    const files = await store.list(layout.version(version));
    if (!files.every((f) => f.modified < before)) continue;
    for (const { key } of files) await store.remove(key);
    collected.push(version);
  }
  return collected;
}
