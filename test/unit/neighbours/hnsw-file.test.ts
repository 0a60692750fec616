import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bunchedVectors } from '../../../bench/support/bunched-vectors.js';
import { HnswEngine } from '../../../src/neighbours/index.js';

const candidates = bunchedVectors({ rows: 500, dimension: 24, seed: 1 });
const queries = bunchedVectors({ rows: 8, dimension: 24, seed: 2 });
const shape = { candidates: 500, dimension: 24 };
const hashOf = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');

const folder = mkdtempSync(join(tmpdir(), 'foilbank-hnsw-'));
const file = join(folder, 'index.hnsw');
let built: HnswEngine;
let sha256: string;
beforeAll(async () => {
  built = await HnswEngine.build({ candidates });
  await built.save(file);
  sha256 = hashOf(file);
});
afterAll(async () => {
  await built.close();
  rmSync(folder, { recursive: true });
});

/** A changed copy of the index, with its own true hash. */
function changed(name: string, change: (bytes: Buffer) => Buffer): { file: string; sha256: string } {
  const copy = join(folder, name);
  writeFileSync(copy, change(readFileSync(file)));
  return { file: copy, sha256: hashOf(copy) };
}

describe('a saved index', () => {
  it('answers as it did before', async () => {
    const loaded = await HnswEngine.load({ file, sha256, ...shape });
    expect(await loaded.nearest(queries, 20)).toEqual(await built.nearest(queries, 20));
    await loaded.close();
  });

  it('has the same bytes when the same candidates are indexed again with the same seed', async () => {
    const again = await HnswEngine.build({ candidates });
    const other = await HnswEngine.build({ candidates, seed: 7 });
    await again.save(join(folder, 'again.hnsw'));
    await other.save(join(folder, 'other.hnsw'));
    expect(hashOf(join(folder, 'again.hnsw'))).toBe(sha256);
    expect(hashOf(join(folder, 'other.hnsw'))).not.toBe(sha256);
    await Promise.all([again.close(), other.close()]);
  });

  it('leaves nothing behind when it cannot be written', async () => {
    const missing = join(folder, 'missing', 'index.hnsw');
    await expect(built.save(missing)).rejects.toMatchObject({ code: 'FB_FILE_UNWRITABLE' });
    expect(readdirSync(folder).filter((name) => name.endsWith('.partial'))).toEqual([]);
  });
});

describe('loading an index', () => {
  it('refuses every single changed byte of the header, and samples of the rest', async () => {
    const { length } = readFileSync(file);
    const places = [...Array(96).keys(), 1000, length >> 1, length - 1];
    for (const at of places) {
      const damaged = changed('flipped.hnsw', (bytes) => {
        bytes[at]! ^= 0x40;
        return bytes;
      });
      await expect(HnswEngine.load({ ...shape, file: damaged.file, sha256 })).rejects.toMatchObject({
        code: 'FB_INDEX_HASH_MISMATCH',
      });
    }
  });

  it('names both hashes', async () => {
    const wrong = 'a'.repeat(64);
    await expect(HnswEngine.load({ ...shape, file, sha256: wrong })).rejects.toThrow(
      `hashes to ${sha256}, its manifest says ${wrong}`,
    );
  });

  it('refuses an index of other vectors, though its hash is right', async () => {
    await expect(HnswEngine.load({ file, sha256, candidates: 501, dimension: 24 })).rejects.toMatchObject({
      code: 'FB_INDEX_MISMATCH',
      details: { field: 'number of candidates', actual: 500, expected: 501 },
    });
    await expect(HnswEngine.load({ file, sha256, candidates: 500, dimension: 32 })).rejects.toMatchObject({
      code: 'FB_INDEX_MISMATCH',
      details: { field: 'dimension', actual: 24, expected: 32 },
    });
  });

  it('refuses a cut or lengthened file, though its hash is right', async () => {
    const { length } = readFileSync(file);
    for (const size of [0, 50, 96, 10_000, length - 1, length + 1]) {
      const cut = changed('cut.hnsw', (bytes) => bytes);
      truncateSync(cut.file, size);
      await expect(
        HnswEngine.load({ ...shape, file: cut.file, sha256: hashOf(cut.file) }),
      ).rejects.toMatchObject({ code: 'FB_INDEX_MISMATCH' });
    }
  });

  it('says which file is missing', async () => {
    await expect(HnswEngine.load({ ...shape, file: join(folder, 'none'), sha256 })).rejects.toMatchObject({
      code: 'FB_FILE_UNREADABLE',
    });
  });

  it('removes its private copy', async () => {
    const copies = () => readdirSync(tmpdir()).filter((name) => name.startsWith('foilbank-index-'));
    const before = copies();
    await (await HnswEngine.load({ file, sha256, ...shape })).close();
    await HnswEngine.load({ file, sha256: '', ...shape }).catch(() => {});
    expect(copies().filter((name) => !before.includes(name))).toEqual([]);
  });
});
