import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { warn } from './context.js';

const PHOTO = /\.(jpe?g|png|webp|avif)$/i;

/** Photos as given, folders as the photos in them, sorted. @throws FoilbankError FB_FILE_UNREADABLE */
export async function photosOf(paths: readonly string[]): Promise<string[]> {
  const photos: string[] = [];
  for (const path of paths) {
    const found = await stat(path).catch(() => undefined);
    if (!found?.isDirectory()) {
      // What is not there is that photo's own error later on.
      photos.push(path);
      continue;
    }
    const inside = (await readdir(path, { recursive: true })).filter((name) => PHOTO.test(name)).sort();
    if (inside.length === 0) warn(`no JPEG, PNG, WebP or AVIF file is in ${path}`);
    photos.push(...inside.map((name) => join(path, name)));
  }
  return photos;
}
