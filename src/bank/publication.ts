import { FoilbankError } from '../errors.js';
import { readWhole, sha256Of } from './hashing.js';
import type { Layout } from './layout.js';
import type { BankStore } from './store.js';

/**
 * Which version is in service. Publications are numbered from 1 without a gap, each an object `published/<number>` that is
 * written once and never changed: the last one counts, and of any number of publishers that write the same number one
 * wins. `CURRENT` is a copy of one of the last, so that neither a reader nor a person need list them; a process killed
 * before it renewed the copy leaves it behind, and a reader then goes on from there.
 */
export interface Publication {
  /** Its number: one more with every publishing and rollback. */
  readonly generation: number;
  readonly version: string;
  /** Of the version's manifest.json: through it, of every file of the version. */
  readonly manifestSha256: string;
}

const PATTERN = /^(\d{6,15})\nmanifest ([0-9a-f]{64})\ngeneration (\d{1,15})\ncheck ([0-9a-f]{64})\n$/;

/** The version's name is the first line, for people and shells; the last line finds any damage to the others. */
export function encodePublication(publication: Publication): string {
  const { version, manifestSha256, generation } = publication;
  const said = `${version}\nmanifest ${manifestSha256}\ngeneration ${generation}\n`;
  return `${said}check ${sha256Of(said)}\n`;
}

/** @throws FoilbankError FB_BANK_CORRUPT */
export function decodePublication(text: string, file: string): Publication {
  const [, version, manifestSha256, generation] = PATTERN.exec(text) ?? [];
  const publication = {
    version: version ?? '',
    manifestSha256: manifestSha256 ?? '',
    generation: Number(generation),
  };
  if (encodePublication(publication) !== text)
    throw new FoilbankError('FB_BANK_CORRUPT', { file, reason: 'it is not what was written' });
  return publication;
}

/**
 * The publication in service.
 *
 * @returns undefined when the bank was never published
 * @throws FoilbankError FB_BANK_CORRUPT
 */
export async function currentPublication(store: BankStore, layout: Layout): Promise<Publication | undefined> {
  let current = await readPublication(store, layout.current);
  for (;;) {
    const next = await readPublication(store, layout.publication((current?.generation ?? 0) + 1));
    if (!next) return current;
    current = next;
  }
}

async function readPublication(store: BankStore, key: string): Promise<Publication | undefined> {
  const bytes = await readWhole(store, key);
  return bytes && decodePublication(Buffer.from(bytes).toString('latin1'), key);
}

/** Every publication, oldest first; damaged ones in words of their own. */
export async function publicationLog(
  store: BankStore,
  layout: Layout,
): Promise<{ publications: Publication[]; damaged: { file: string; reason: string }[]; last: number }> {
  const publications: Publication[] = [];
  const damaged: { file: string; reason: string }[] = [];
  let last = 0;
  for (const { key } of await store.list(layout.published)) {
    const generation = Number(key.slice(layout.published.length + 1));
    try {
      const publication = await readPublication(store, key);
      if (publication?.generation !== generation)
        throw new FoilbankError('FB_BANK_CORRUPT', {
          file: key,
          reason: 'its number is not that of its name',
        });
      publications.push(publication);
    } catch (error) {
      if (!(error instanceof FoilbankError && error.code === 'FB_BANK_CORRUPT')) throw error;
      damaged.push({ file: key, reason: String((error as FoilbankError<'FB_BANK_CORRUPT'>).details.reason) });
    }
    if (Number.isSafeInteger(generation)) last = Math.max(last, generation);
  }
  if (publications.length + damaged.length < last)
    damaged.push({ file: layout.published, reason: `not all of the ${last} publications are there` });
  return { publications, damaged, last };
}

/**
 * Puts a version into service, as the publication that follows number `after`.
 *
 * @returns false when another publication took that place
 */
export async function appendPublication(
  store: BankStore,
  layout: Layout,
  after: number,
  version: string,
  manifestSha256: string,
): Promise<boolean> {
  const generation = after + 1;
  const text = Buffer.from(encodePublication({ version, manifestSha256, generation }));
  if (!(await store.writeNew(layout.publication(generation), text))) return false;
  try {
    await store.write(layout.current, text);
  } catch (error) {
    // The version is in service all the same, and the next publication renews the copy.
    if (!(error instanceof FoilbankError)) throw error;
  }
  return true;
}

/** Makes `CURRENT` a copy of this publication, where a publisher was killed before it did. */
export async function renewCurrent(store: BankStore, layout: Layout, last: Publication): Promise<void> {
  const text = Buffer.from(encodePublication(last));
  const copy = await readWhole(store, layout.current);
  if (!copy || !text.equals(copy)) await store.write(layout.current, text);
}
