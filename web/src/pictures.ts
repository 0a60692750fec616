import { gallery } from './api.js';

const BATCH = 32;
const KEPT = 4000;
/** Object URLs by bank, version and seed, the least lately used first; '' is a candidate without a picture. */
const known = new Map<string, string>();
const waiting = new Map<string, Map<bigint, ((url: string) => void)[]>>();
let scheduled = false;

/** A virtual face's picture, asked for in batches. '' where it has none, or none is to be had. */
export function picture(bank: string, version: string, seed: bigint): Promise<string> {
  const place = `${bank}/${version}`;
  const key = `${place}/${seed}`;
  const url = known.get(key);
  if (url !== undefined) {
    known.delete(key);
    known.set(key, url);
    return Promise.resolve(url);
  }
  return new Promise((resolve) => {
    const seeds = waiting.get(place) ?? new Map<bigint, ((url: string) => void)[]>();
    waiting.set(place, seeds);
    seeds.set(seed, [...(seeds.get(seed) ?? []), resolve]);
    if (!scheduled) setTimeout(ask, 20);
    scheduled = true;
  });
}

function ask(): void {
  scheduled = false;
  for (const [place, seeds] of waiting) {
    const all = [...seeds];
    for (let i = 0; i < all.length; i += BATCH) void fetchBatch(place, all.slice(i, i + BATCH));
  }
  waiting.clear();
}

async function fetchBatch(place: string, asked: [bigint, ((url: string) => void)[]][]): Promise<void> {
  const [bank = '', version = ''] = place.split('/');
  const images = new Map<bigint, Uint8Array>();
  try {
    const { pictures } = await gallery.getPictures({ bank, version, seeds: asked.map(([seed]) => seed) });
    for (const { seed, image } of pictures) images.set(seed, image);
  } catch {
    // The cells say "no picture"; a page's own calls say what is wrong.
    for (const [, tell] of asked) for (const each of tell) each('');
    return;
  }
  for (const [seed, tell] of asked) {
    const image = images.get(seed);
    const url = image?.length
      ? URL.createObjectURL(new Blob([image as BlobPart], { type: 'image/webp' }))
      : '';
    known.set(`${place}/${seed}`, url);
    for (const each of tell) each(url);
  }
  for (const [key, url] of known) {
    if (known.size <= KEPT) break;
    known.delete(key);
    if (url) URL.revokeObjectURL(url);
  }
}
