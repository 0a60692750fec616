import { mkdir, mkdtemp, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packEmbedding } from '../../../src/client.js';
import { EmbeddingSchema } from '../../../src/gen/index.js';
import { coverageOf, outsideOf } from '../../../src/service/coverage.js';
import { readEmbeddings } from '../../../src/service/embeddings.js';
import { createKey, keyOf, readKeys, revokeKey } from '../../../src/service/keys.js';
import { TokenBucket } from '../../../src/service/rate-limit.js';
import { resolveServeSettings } from '../../../src/service/settings.js';
import { UnitMatrix } from '../../../src/vectors/index.js';
import { noise } from '../../support/tiny-models.js';

describe('coverage', () => {
  const around = (rows: number, spread: number, seed: number) =>
    UnitMatrix.normalise(
      noise(rows * 32, seed, spread).map((x, i) => x + (i % 32 === 0 ? 1 : 0)),
      32,
    );

  it('holds the candidates, what lies a little farther out, and nothing from elsewhere', () => {
    const coverage = coverageOf(around(2000, 0.1, 1));
    const outside = (m: UnitMatrix) => [...outsideOf(coverage, m)];
    expect(outside(around(500, 0.1, 2))).not.toContain(1);
    expect(outside(around(500, 0.13, 3))).not.toContain(1);
    expect(outside(UnitMatrix.normalise(noise(500 * 32, 4), 32))).not.toContain(0);
  });

  it('of candidates without a mean direction nothing is outside', () => {
    const opposite = UnitMatrix.normalise([1, 0, -1, 0], 2);
    const coverage = coverageOf(opposite);
    expect(coverage.floor).toBe(-1);
    expect([...outsideOf(coverage, UnitMatrix.normalise([0, 1, 1, 1], 2))]).toEqual([0, 0]);
  });
});

describe('readEmbeddings', () => {
  it('takes packed floats and numbers alike, to the bit', () => {
    const row = UnitMatrix.normalise([3, 4, 12], 3).row(0);
    const both = readEmbeddings(
      [packEmbedding(row), create(EmbeddingSchema, { values: [...row] })],
      3,
      false,
    );
    expect([...both.matrix.row(0)]).toEqual([...row]);
    expect([...both.matrix.row(1)]).toEqual([...row]);
    expect(both.normalised).toEqual([false, false]);
  });

  it('reads packed floats wherever they lie in their buffer', () => {
    const row = Float32Array.of(0.6, 0.8);
    const bytes = new Uint8Array(9);
    bytes.set(new Uint8Array(row.buffer), 1);
    const read = readEmbeddings([create(EmbeddingSchema, { packed: bytes.subarray(1) })], 2, true);
    expect([...read.matrix.row(0)]).toEqual([...row]);
  });
});

describe('TokenBucket', () => {
  it('lets a second’s worth through at once, then the rate', () => {
    const bucket = new TokenBucket(3, 0);
    expect([bucket.take(0), bucket.take(0), bucket.take(0), bucket.take(0)]).toEqual([
      true,
      true,
      true,
      false,
    ]);
    expect([bucket.take(334), bucket.take(335)]).toEqual([true, false]);
    expect([1, 2, 3, 4].map(() => bucket.take(60_000))).toEqual([true, true, true, false]);
  });
});

describe('key files', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'foilbank-keys-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('hold no secret, are for their owner only, and lose a key when it is revoked', async () => {
    const file = join(folder, 'keys.json');
    const a = await createKey(file, { name: 'a', scopes: ['read'] });
    const b = await createKey(file, { name: 'b', scopes: ['admin'], rate: 5 });
    const text = await readFile(file, 'utf8');
    for (const { token } of [a, b]) expect(text).not.toContain(token.slice(17));
    expect((await stat(file)).mode & 0o077).toBe(0);
    const ring = async () => new Map((await readKeys(file)).map((key) => [key.id, key]));
    expect(keyOf(await ring(), b.token, new Date())).toMatchObject({ name: 'b', rate: 5 });
    await revokeKey(file, b.key.id);
    await expect(ring().then((keys) => keyOf(keys, b.token, new Date()))).rejects.toMatchObject({
      code: 'FB_KEY_INVALID',
    });
    await expect(revokeKey(file, b.key.id)).rejects.toMatchObject({ code: 'FB_KEY_NOT_FOUND' });
  });

  it('lose no key when several are made at once, though a killed process left its lock', async () => {
    const file = join(folder, 'busy', 'keys.json');
    const left = `${file}.lock`;
    await mkdir(left, { recursive: true });
    const longAgo = new Date(Date.now() - 60_000);
    await utimes(left, longAgo, longAgo);
    const made = await Promise.all(
      Array.from({ length: 8 }, (_, i) => createKey(file, { name: `k${i}`, scopes: ['read'] })),
    );
    const ids = (keys: readonly { id: string }[]) => keys.map(({ id }) => id).sort();
    expect(ids(await readKeys(file))).toEqual(ids(made.map(({ key }) => key)));
    await Promise.all(made.slice(1).map(({ key }) => revokeKey(file, key.id)));
    expect(ids(await readKeys(file))).toEqual([made[0]!.key.id]);
  });

  it('that are damaged are refused, never overwritten', async () => {
    const file = join(folder, 'bad.json');
    await writeFile(file, '{"format":"foilbank.keys/1","keys":[{"id":"x"}]}');
    await expect(readKeys(file)).rejects.toMatchObject({ code: 'FB_KEYS_INVALID' });
    await expect(createKey(file, { name: 'a', scopes: ['read'] })).rejects.toMatchObject({
      code: 'FB_KEYS_INVALID',
    });
    expect(await readFile(file, 'utf8')).toContain('"id":"x"');
  });
});

describe('serve settings', () => {
  it('have these defaults', () => {
    const { limits, batches, ...rest } = resolveServeSettings({});
    expect(limits).toEqual({
      ...{ messageBytes: 2 ** 24, embeddings: 1024, k: 4096, results: 16_384 },
      ...{ concurrency: 512, deadlineMs: 60_000 },
    });
    expect(batches).toEqual({ maxRows: 64, maxWaitMs: 10, maxWaiting: 8192 });
    expect(rest).toMatchObject({ host: '127.0.0.1', port: 8080, banks: ['default'], pollMs: 2000 });
    expect(rest.keys).toMatch(/foilbank-keys\.json$/);
  });

  it('refuse to serve the world without keys', () => {
    for (const host of ['0.0.0.0', '::', '10.0.0.1', 'example.org', '127.example.org'])
      expect(() => resolveServeSettings({}, { host, auth: false })).toThrow(/only loopback/);
    for (const host of ['127.0.0.1', '127.8.8.8', '::1', 'localhost'])
      expect(resolveServeSettings({}, { host, auth: false }).keys).toBeUndefined();
  });

  it.each([
    [{ FOILBANK_PORT: '70000' }],
    [{ FOILBANK_BANKS: ' , ' }],
    [{ FOILBANK_MAX_K: 'many' }],
    [{ FOILBANK_TLS_CERT: 'x.pem' }],
  ])('name the variable that is wrong: %o', (env) => {
    expect(() => resolveServeSettings(env)).toThrow(Object.keys(env)[0]?.replace('CERT', 'KEY'));
  });
});
