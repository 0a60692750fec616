import { FoilbankError } from '../errors.js';
import { readWhole, sha256Of } from './hashing.js';
import { inParallel } from './in-parallel.js';
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
  /** What the record says besides: it then leaves in service what was. */
  readonly change?: { readonly kind: 'pin' | 'unpin' | 'remove'; readonly versions: readonly string[] };
}

const PATTERN =
  /^(\d{6,15})\nmanifest ([0-9a-f]{64})\ngeneration (\d{1,15})\n(?:(pin|unpin|remove)((?: \d{6,15})+)\n)?check [0-9a-f]{64}\n$/;

/** The version's name is the first line, for people and shells; the last line finds any damage to the others. */
export function encodePublication(publication: Publication): string {
  const { version, manifestSha256, generation, change } = publication;
  const changed = change ? `${change.kind} ${change.versions.join(' ')}\n` : '';
  const said = `${version}\nmanifest ${manifestSha256}\ngeneration ${generation}\n${changed}`;
  return `${said}check ${sha256Of(said)}\n`;
}

/** @throws FoilbankError FB_BANK_CORRUPT */
export function decodePublication(text: string, file: string): Publication {
  const [, version, manifestSha256, generation, kind, versions = ''] = PATTERN.exec(text) ?? [];
  const publication: Publication = {
    version: version ?? '',
    manifestSha256: manifestSha256 ?? '',
    generation: Number(generation),
    ...(isChange(kind) ? { change: { kind, versions: versions.trimStart().split(' ') } } : {}),
  };
  if (encodePublication(publication) !== text)
    throw new FoilbankError('FB_BANK_CORRUPT', { file, reason: 'it is not what was written' });
  return publication;
}

const isChange = (kind: string | undefined): kind is 'pin' | 'unpin' | 'remove' =>
  kind === 'pin' || kind === 'unpin' || kind === 'remove';

/** What the log comes to. */
export interface Standing {
  readonly inService: Publication;
  /** Versions that were in service and were not removed, oldest first. */
  readonly kept: readonly string[];
  readonly pinned: ReadonlySet<string>;
  readonly removed: ReadonlySet<string>;
}

/** @returns undefined when nothing was published */
export function standingOf(publications: readonly Publication[]): Standing | undefined {
  const [pinned, removed] = [new Set<string>(), new Set<string>()];
  for (const { change } of publications)
    for (const version of change?.versions ?? []) {
      if (change?.kind === 'pin') pinned.add(version);
      if (change?.kind === 'unpin') pinned.delete(version);
      if (change?.kind === 'remove') removed.add(version);
    }
  const inService = publications.at(-1);
  const known = new Set(publications.map((p) => p.version));
  const kept = [...known].filter((v) => !removed.has(v)).sort((a, b) => Number(a) - Number(b));
  return inService && { inService, kept, pinned, removed };
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
  const keys = (await store.list(layout.published)).map(({ key }) => key);
  await inParallel(keys, async (key) => {
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
  });
  publications.sort((a, b) => a.generation - b.generation);
  if (publications.length + damaged.length < last)
    damaged.push({ file: layout.published, reason: `not all of the ${last} publications are there` });
  return { publications, damaged, last };
}

/**
 * Puts a version into service, as the publication that follows number `after`; records that pin or remove other versions
 * may stand between.
 *
 * @returns false when another publication came first, or the version was removed
 */
export async function appendPublication(
  store: BankStore,
  layout: Layout,
  after: number,
  version: string,
  manifestSha256: string,
): Promise<boolean> {
  for (let generation = after + 1; ; generation++) {
    if (await appendRecord(store, layout, { version, manifestSha256, generation })) return true;
    const change = (await readPublication(store, layout.publication(generation)))?.change;
    if (!change || (change.kind === 'remove' && change.versions.includes(version))) return false;
  }
}

/** @returns false when another record took its number */
export async function appendRecord(store: BankStore, layout: Layout, record: Publication): Promise<boolean> {
  const text = Buffer.from(encodePublication(record));
  if (!(await store.writeNew(layout.publication(record.generation), text))) return false;
  try {
    await store.write(layout.current, text);
  } catch (error) {
    // The record counts all the same, and the next one renews the copy.
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
