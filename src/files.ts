import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FoilbankError, reasonOf } from './errors.js';

/** Writes a file that appears whole or not at all, and its folder where that is missing. @throws FoilbankError FB_FILE_UNWRITABLE */
export async function writeWhole(file: string, bytes: Uint8Array | string): Promise<void> {
  const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(temporary, bytes);
    await rename(temporary, file);
  } catch (error) {
    // What keeps it from being removed is what kept it from being written.
    await rm(temporary, { force: true }).catch(() => {});
    throw new FoilbankError('FB_FILE_UNWRITABLE', { file, reason: reasonOf(error) }, { cause: error });
  }
}

/** @throws FoilbankError FB_FILE_UNREADABLE */
export async function readBytes(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new FoilbankError('FB_FILE_UNREADABLE', { file, reason: reasonOf(error) }, { cause: error });
  }
}
