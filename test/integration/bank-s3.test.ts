import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { digestOf, readWhole } from '../../src/bank/hashing.js';
import {
  FileStore,
  listVersions,
  openBank,
  openStore,
  publishBank,
  rollbackBank,
  S3Store,
  type S3StoreOptions,
  verifyBank,
} from '../../src/bank/index.js';
import { foilbank } from '../support/cli.js';
import { type Disturbance, S3_CREDENTIALS, type S3Server, startS3Server } from '../support/s3-server.js';
import { CREATED, draftOf, hashOf, someCandidates, someDirectory } from '../unit/bank/fixtures.js';

let server: S3Server;
let cache: string;
let prefixes = 0;

beforeAll(async () => {
  Object.assign(process.env, S3_CREDENTIALS);
  server = await startS3Server();
  cache = await mkdtemp(join(tmpdir(), 'foilbank-copies-'));
});
afterEach(() => {
  server.disturb = () => undefined;
  server.pageSize = 1000;
  server.uploads.clear();
});
afterAll(async () => {
  await server.close();
  await rm(cache, { recursive: true, force: true });
});

/** A store below a prefix of its own. */
function someS3Store(more: Partial<S3StoreOptions> = {}): S3Store {
  const { endpoint, bucket } = server;
  return new S3Store({ ...{ bucket, endpoint, pathStyle: true, cache }, prefix: `p${++prefixes}`, ...more });
}

/** Disturbs the first requests that look like this, one for each disturbance. */
function disturbing(pattern: RegExp, ...disturbances: Disturbance[]): () => number {
  server.disturb = (line) => (pattern.test(line) ? disturbances.shift() : undefined);
  return () => disturbances.length;
}

const textOf = async (store: S3Store, key: string) =>
  Buffer.from((await readWhole(store, key)) ?? []).toString();

async function* megabytes(count: number, chunk = 1 << 20): AsyncIterable<Uint8Array> {
  for (let i = 0; i < count; i++) yield Buffer.alloc(chunk, `part ${i} `);
}

describe('a bank in an S3 bucket', () => {
  it('has the very objects that a directory has', async () => {
    const [s3, file] = [someS3Store(), new FileStore(await someDirectory())];
    const files = { 'index.hnsw': Buffer.alloc(30_000, 'hnsw') };
    for (const store of [s3, file])
      for (const salt of [1, 2])
        await publishBank(store, 'bank', draftOf(someCandidates(50, 8, salt), { files }), {
          createdAt: CREATED,
        });
    const keys = (await file.list('')).map((o) => o.key);
    expect((await s3.list('')).map((o) => o.key)).toEqual(keys);
    for (const key of keys) expect(await readWhole(s3, key), key).toEqual(await readWhole(file, key));
    expect((await rollbackBank(s3, 'bank')).version).toBe('000001');
    const bank = await openBank(s3, 'bank');
    expect(hashOf(bank.candidates)).toBe(hashOf(someCandidates(50, 8, 1)));
    expect((await verifyBank(s3, 'bank')).problems).toEqual([]);
    expect((await listVersions(s3, 'bank')).map((v) => v.inService)).toEqual([true, false]);
  });

  it('goes to one of several publishers, whole', async () => {
    const store = someS3Store();
    const tries = await Promise.allSettled(
      [1, 2, 3, 4].map((salt) => publishBank(store, 'bank', draftOf(someCandidates(20, 8, salt)))),
    );
    expect(tries.filter((t) => t.status === 'fulfilled').length).toBeGreaterThan(0);
    for (const t of tries) if (t.status === 'rejected') expect(t.reason.code).toBe('FB_BANK_BUSY');
    expect((await verifyBank(store, 'bank')).problems).toEqual([]);
  });

  it('is published once by tries that lose any one answer', async () => {
    const attempt = { id: 'refresh', at: CREATED };
    const draft = draftOf(someCandidates(20));
    const quiet = someS3Store();
    await publishBank(quiet, 'bank', draft, { attempt });
    const wanted = (await quiet.list('')).map((o) => o.key);
    for (let at = 1; ; at++) {
      const store = someS3Store({ attempts: 1 });
      let puts = 0;
      server.disturb = (line) => (line.startsWith('PUT') && ++puts === at ? 'lose' : undefined);
      const first = await publishBank(store, 'bank', draft, { attempt }).catch((e: unknown) => e);
      if (first instanceof Error)
        expect(first).toMatchObject({ code: 'FB_STORE_UNREACHABLE', retryable: true });
      const manifest = await publishBank(store, 'bank', draft, { attempt });
      expect(manifest.version).toBe('000001');
      expect((await store.list('')).map((o) => o.key)).toEqual(wanted);
      if (puts < at) break;
    }
    expect(wanted).toHaveLength(5);
  });
});

describe('an object in S3', () => {
  it('that is large goes up in parts and comes back the same', async () => {
    const store = someS3Store();
    await store.write('big', megabytes(21));
    expect(server.requests.filter((r) => r.includes(`${prefixes}/big?partNumber`)).length).toBeGreaterThan(2);
    expect((await store.stat('big'))?.bytes).toBe(21 << 20);
    const wanted = await digestOf(megabytes(21));
    expect(await digestOf((await store.read('big')) ?? Buffer.alloc(0))).toEqual(wanted);
    expect(await store.writeNew('big', megabytes(9))).toBe(false);
    expect((await store.stat('big'))?.bytes).toBe(21 << 20);
    expect(server.uploads.size).toBe(0);
  });

  it('that is large leaves nothing when its source fails', async () => {
    const store = someS3Store();
    async function* broken() {
      yield* megabytes(12);
      throw new Error('the source broke');
    }
    await expect(store.write('big', broken())).rejects.toThrow('the source broke');
    expect(await store.list('')).toEqual([]);
    expect(server.uploads.size).toBe(0);
  });

  it('is new for the writer whose answer was lost, and not for the next', async () => {
    for (const body of [() => Buffer.from('mine'), () => megabytes(9)]) {
      const store = someS3Store();
      const left = disturbing(/^(PUT .*x$|PUT .*x\?x-id=PutObject|POST .*uploadId)/, 'lose');
      expect(await store.writeNew('x', body())).toBe(true);
      expect(left()).toBe(0);
      expect(await store.writeNew('x', Buffer.from('theirs'))).toBe(false);
    }
  });

  it('is tried again when the server is busy or another conditional write is under way', async () => {
    const store = someS3Store();
    const left = disturbing(
      /^PUT/,
      { refuse: 503, code: 'SlowDown' },
      { refuse: 409, code: 'ConditionalRequestConflict' },
      'drop',
    );
    expect(await store.writeNew('x', Buffer.from('mine'))).toBe(true);
    expect(left()).toBe(0);
    expect(await textOf(store, 'x')).toBe('mine');
  });

  it('is read on from where the connection broke', async () => {
    const store = someS3Store();
    const whole = Buffer.alloc(3_000_000, 'foilbank');
    await store.write('x', whole);
    const left = disturbing(/^GET .*\/x/, 'cut', 'cut', 'cut');
    expect(whole.equals((await readWhole(store, 'x')) ?? Buffer.alloc(0))).toBe(true);
    expect(left()).toBe(0);
  });

  it('is not pieced together from two when it is replaced while the connection breaks', async () => {
    const store = someS3Store();
    await store.write('x', Buffer.alloc(3_000_000, 'one'));
    disturbing(/^GET .*\/x/, 'cut');
    const chunks = await store.read('x');
    await store.write('x', Buffer.alloc(3_000_000, 'two'));
    const read = async () => {
      for await (const chunk of chunks ?? []) expect(Buffer.from(chunk).includes('two')).toBe(false);
    };
    await expect(read()).rejects.toMatchObject({ code: 'FB_STORE_UNREACHABLE', retryable: true });
  });

  it('is listed with all others, however many pages they fill', async () => {
    const store = someS3Store();
    const keys = Array.from({ length: 23 }, (_, i) => `bank/f${i % 5}/${String(i).padStart(3, '0')}`).sort();
    await Promise.all(keys.map((key) => store.write(key, Buffer.from('x'))));
    server.pageSize = 3;
    expect((await store.list('bank')).map((o) => o.key)).toEqual(keys);
    expect(await store.folders('bank')).toEqual(['f0', 'f1', 'f2', 'f3', 'f4']);
  });

  it('begun in parts and never finished is swept once it is old', async () => {
    const store = someS3Store();
    disturbing(/^(POST .*uploadId|DELETE)/, ...Array.from({ length: 40 }, () => 'drop' as const));
    await expect(store.write('bank/big', megabytes(9))).rejects.toMatchObject({
      code: 'FB_STORE_UNREACHABLE',
    });
    server.disturb = () => undefined;
    expect(server.uploads.size).toBe(1);
    await store.sweep('bank', new Date(Date.now() - 60_000));
    expect(server.uploads.size).toBe(1);
    await store.sweep('bank', new Date(Date.now() + 60_000));
    expect(server.uploads.size).toBe(0);
  });
});

describe('a local copy of an object', () => {
  const files = { 'index.hnsw': Buffer.alloc(300_000, 'hnsw') };

  it('is fetched once, shared between versions, and fetched again when it was damaged', async () => {
    const folder = await someDirectory();
    const store = someS3Store({ cache: folder });
    for (let i = 0; i < 2; i++) await publishBank(store, 'bank', draftOf(someCandidates(5), { files }));
    const fetched = () =>
      server.requests.filter((r) => r.startsWith('GET') && r.includes('index.hnsw')).length;
    const before = fetched();
    const paths = [];
    for (const version of ['000001', '000002', '000001'])
      paths.push(await (await openBank(store, 'bank', { version })).localFile('index.hnsw'));
    expect(new Set(paths).size).toBe(1);
    expect(fetched() - before).toBe(1);
    expect(await readFile(paths[0] ?? '')).toEqual(files['index.hnsw']);
    await writeFile(paths[0] ?? '', Buffer.alloc(300_000, 'evil'));
    await (await openBank(store, 'bank')).localFile('index.hnsw');
    expect(await readFile(paths[0] ?? '')).toEqual(files['index.hnsw']);
    expect(fetched() - before).toBe(2);
  });

  it('is not made of a damaged object', async () => {
    const folder = await someDirectory();
    const store = someS3Store({ cache: folder });
    await publishBank(store, 'bank', draftOf(someCandidates(5), { files }));
    for (const damaged of [Buffer.alloc(300_000, 'evil'), Buffer.alloc(400_000, 'hnsw'), Buffer.from('x')]) {
      await store.write('bank/versions/000001/index.hnsw', damaged);
      const bank = await openBank(store, 'bank');
      await expect(bank.localFile('index.hnsw')).rejects.toMatchObject({ code: 'FB_BANK_CORRUPT' });
    }
    await store.remove('bank/versions/000001/index.hnsw');
    const bank = await openBank(store, 'bank');
    await expect(bank.localFile('index.hnsw')).rejects.toMatchObject({ code: 'FB_BANK_CORRUPT' });
    expect(await readdir(folder)).toEqual([]);
  });

  it('goes when nobody used it for weeks', async () => {
    const folder = await someDirectory();
    const store = someS3Store({ cache: folder });
    for (const key of ['a', 'b']) await store.write(key, Buffer.from(key));
    const path = await store.localFile('a');
    const old = new Date(Date.now() - 15 * 24 * 3_600_000);
    await utimes(path, old, old);
    await store.localFile('b');
    expect(await readdir(folder)).toHaveLength(1);
  });
});

describe('a store that does not serve', () => {
  const short = { attempts: 2, timeoutMs: 300 };

  it('is said to be unreachable, which a job tries again', async () => {
    const store = someS3Store({ ...short, endpoint: 'http://127.0.0.1:9' });
    const calls = [
      () => store.list(''),
      () => store.stat('x'),
      () => store.read('x'),
      () => store.write('x', Buffer.from('x')),
      () => store.remove('x'),
      () => store.sweep('', new Date()),
    ];
    for (const call of calls)
      await expect(call()).rejects.toMatchObject({ code: 'FB_STORE_UNREACHABLE', retryable: true });
  });

  it('but never answers is unreachable too, in time', async () => {
    disturbing(/./, ...Array.from({ length: 10 }, () => 'hang' as const));
    const begun = Date.now();
    await expect(someS3Store(short).stat('x')).rejects.toMatchObject({ code: 'FB_STORE_UNREACHABLE' });
    expect(Date.now() - begun).toBeLessThan(10_000);
  });

  it('because it refuses is not tried again', async () => {
    const before = server.requests.length;
    await expect(someS3Store({ bucket: 'elsewhere' }).list('')).rejects.toMatchObject({
      code: 'FB_STORE_REFUSED',
      retryable: false,
    });
    expect(server.requests.length - before).toBe(1);
    disturbing(/./, { refuse: 403, code: 'AccessDenied' });
    await expect(someS3Store().stat('x')).rejects.toMatchObject({ code: 'FB_STORE_REFUSED' });
    disturbing(/./, ...Array.from({ length: 5 }, () => ({ refuse: 507, code: 'XMinioStorageFull' })));
    await expect(someS3Store(short).write('x', Buffer.from('x'))).rejects.toMatchObject({
      code: 'FB_STORE_FULL',
    });
  });

  it('says nothing of keys, tokens and signatures, also in the cause', async () => {
    disturbing(/./, { refuse: 403, code: 'AccessDenied' });
    const error: unknown = await someS3Store()
      .stat('x')
      .catch((e: unknown) => e);
    const { inspect } = await import('node:util');
    expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(/S3RVER|Signature=|authorization/i);
  });
});

describe('the memory of an upload and a download', () => {
  it('stays small, however large the object', async () => {
    const script = fileURLToPath(new URL('../support/s3-memory.mjs', import.meta.url));
    const location = `s3://${server.bucket}/memory?endpoint=${server.endpoint}&pathStyle=1`;
    const { stdout } = await promisify(execFile)(process.execPath, [script, location, '200']);
    const { peakMb, readMb } = JSON.parse(stdout) as { peakMb: number; readMb: number };
    expect(readMb).toBe(200);
    expect(peakMb).toBeLessThan(150);
  }, 120_000);
});

describe('the command line', () => {
  it('takes a bucket where it takes a directory', async () => {
    const location = `s3://${server.bucket}/cli?endpoint=${server.endpoint}&pathStyle=1`;
    await publishBank(openStore(location), 'bank', draftOf(someCandidates(5)));
    for (const args of [['--store', location], []]) {
      const env = args.length > 0 ? {} : { FOILBANK_STORE: location };
      const { code, stdout } = await foilbank([...args, 'bank', 'list', '--json'], { env });
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject([{ bank: 'bank', version: '000001', inService: true }]);
    }
  });
});
