import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { FileStore, publishBank, showBank } from '../../src/bank/index.js';
import { errorDetailOf, JobStatus, unpackEmbedding } from '../../src/client.js';
import { fingerprint } from '../../src/onnx/index.js';
import { shippedNetworks } from '../support/networks.js';
import { hasRedis, needsRedis, startRedis } from '../support/redis.js';
import {
  type Bench,
  crowd,
  packedRows,
  publishCrowd,
  queries,
  startService,
  until,
} from '../support/service.js';
import { draftOf } from '../unit/bank/fixtures.js';

const [embedding] = packedRows(queries(1));
let bench: Bench;
afterEach(() => bench?.close());
const serves = () => bench.client.support.getBank({}).then((r) => r.bank!);
const codeOf = async (call: Promise<unknown>) =>
  errorDetailOf(await call.then(() => undefined).catch((e: unknown) => e))?.code;

/** Asks without a pause until told to stop; every reply must be whole. */
function load(clients: number) {
  let on = true;
  const versions = new Set<string>();
  let replies = 0;
  const failures: unknown[] = [];
  const done = Promise.all(
    Array.from({ length: clients }, async () => {
      while (on)
        await bench.client.support.estimateDiscrepancy({ embeddings: [embedding!] }).then(
          ({ source }) => {
            versions.add(source!.version);
            replies++;
          },
          (error: unknown) => failures.push(error),
        );
    }),
  );
  return {
    versions,
    failures,
    replies: () => replies,
    stop: async () => {
      on = false;
      await done;
    },
  };
}

/** A second version of the bank, published whole in a store of its own and then damaged: one byte of its candidates. @returns the bank's folder */
async function damagedVersion(): Promise<string> {
  const spare = new FileStore(join(bench.folder, 'spare'));
  await publishCrowd(spare, 'default', 1);
  await publishCrowd(spare, 'default', 2);
  const bank = join(bench.folder, 'spare/default');
  const candidates = join(bank, 'versions/000002/candidates');
  const [part] = await readdir(candidates);
  const bytes = await readFile(join(candidates, part!));
  bytes[bytes.length >> 1]! ^= 0xff;
  await writeFile(join(candidates, part!), bytes);
  // The first version is the served one's namesake and stays where it is.
  await rm(join(bank, 'versions/000001'), { recursive: true });
  await rm(join(bank, 'published/00000001'));
  return bank;
}

const metric = async (name: string) =>
  (await (await fetch(`${bench.service.url}/metrics`)).text())
    .split('\n')
    .find((line) => line.startsWith(name)) ?? '';

describe('versions', () => {
  it('are swapped and rolled back under load without a failed request', async () => {
    bench = await startService((store) => publishCrowd(store, 'default', 1));
    const traffic = load(8);
    await publishCrowd(bench.store, 'default', 2);
    await until(() => traffic.versions.has('000002'));
    const { version } = await bench.client.bank.rollback({ bank: 'default', version: '' });
    expect(version).toBe('000001');
    const after = await bench.client.support.estimateDiscrepancy({ embeddings: [embedding!] });
    expect(after.source?.version).toBe('000001');
    await traffic.stop();
    expect(traffic.failures).toEqual([]);
    expect([...traffic.versions].sort()).toEqual(['000001', '000002']);
    expect(traffic.replies()).toBeGreaterThan(50);
  });

  it('that are damaged are refused with a note and a metric, and the old one serves on', async () => {
    bench = await startService((store) => publishCrowd(store, 'default', 1));
    const traffic = load(4);
    const damaged = await damagedVersion();
    // As a publisher writes them: what puts it into service comes last.
    for (const part of ['claims', 'versions', 'published', 'CURRENT'])
      await cp(join(damaged, part), join(bench.folder, 'banks/default', part), { recursive: true });
    // The store says that it is in service; the server found that it cannot be.
    expect((await showBank(bench.store, 'default')).version).toBe('000002');
    await until(() => bench.service.readiness().notes.length > 0);
    const readiness = bench.service.readiness();
    expect(readiness.ready).toBe(true);
    expect(readiness.notes[0]).toMatch(/version 000002 was refused: .*candidates.* hashes to/);
    expect((await serves()).notes[0]).toContain('version 000002 was refused');
    expect(await metric('foilbank_versions_refused_total')).toContain(
      '{bank="default",code="FB_BANK_CORRUPT"} 1',
    );
    await traffic.stop();
    expect(traffic.failures).toEqual([]);
    expect([...traffic.versions]).toEqual(['000001']);
    // A whole one after it is taken at once.
    await publishCrowd(bench.store, 'default', 3);
    await until(async () => (await serves()).version === '000003');
    expect(bench.service.readiness().notes).toEqual([]);
    expect(await codeOf(bench.client.bank.rollback({ bank: 'default', version: '000002' }))).toBe(
      'FB_BANK_CORRUPT',
    );
    expect((await serves()).version).toBe('000003');
  });

  it('that failed a gate are refused likewise', async () => {
    bench = await startService((store) => publishCrowd(store, 'default', 1));
    await publishCrowd(bench.store, 'default', 2, {
      gateResults: [{ gate: 'drift', passed: false, value: 2, limit: 1 }],
    });
    await until(() => bench.service.readiness().notes.length > 0);
    expect(bench.service.readiness().notes[0]).toMatch(/version 000002 was refused: .*drift/);
    expect(await serves()).toMatchObject({ version: '000001', notes: [expect.stringContaining('drift')] });
    expect(await metric('foilbank_versions_refused_total')).toContain(
      '{bank="default",code="FB_GATE_FAILED"} 1',
    );
  });

  it('may come later than the server: until then it says what it waits for', async () => {
    bench = await startService(async () => {});
    expect(bench.service.readiness()).toMatchObject({ ready: false });
    expect(bench.service.readiness().reasons[0]).toMatch(/holds no published bank.*foilbank bank build/);
    expect(await codeOf(bench.client.support.estimateDiscrepancy({ embeddings: [embedding!] }))).toBe(
      'FB_BANK_UNREADY',
    );
    await publishCrowd(bench.store, 'default', 1);
    await until(() => bench.service.readiness().ready);
  });
});

describe('the queue behind it', () => {
  it('is not needed for lookups, and missed with a code', async () => {
    bench = await startService((store) => publishCrowd(store, 'default', 1), {
      env: { REDIS_URL: 'redis://127.0.0.1:1' },
    });
    expect(await codeOf(bench.client.bank.refresh({ bank: 'default' }))).toBe('FB_REDIS_UNREACHABLE');
    expect(bench.service.readiness().ready).toBe(true);
    await bench.client.support.estimateDiscrepancy({ embeddings: [embedding!] });
    expect(await codeOf(bench.client.bank.pin({ bank: 'default', version: '000009' }))).toBe(
      'FB_BANK_VERSION_NOT_FOUND',
    );
    expect(await codeOf(bench.client.bank.pin({ bank: 'default', version: '000001' }))).toBeUndefined();
  });

  it.skipIf(!hasRedis)(needsRedis('takes refreshes, once each, and tells how far they are'), async () => {
    const redis = await startRedis();
    bench = await startService((store) => publishCrowd(store, 'default', 1), {
      env: { REDIS_URL: redis.url },
    });
    const { bank } = bench.client;
    const first = await bank.refresh({ bank: 'default', size: 100 });
    const again = await bank.refresh({ bank: 'default', size: 100 });
    expect(again).toMatchObject({ jobId: first.jobId, joined: true });
    expect((await bank.getJob({ jobId: first.jobId })).job).toMatchObject({
      bank: 'default',
      status: JobStatus.WAITING,
    });
    for await (const { job } of bank.watchJob({ jobId: first.jobId })) {
      expect(job?.id).toBe(first.jobId);
      break;
    }
    expect(await codeOf(bank.getJob({ jobId: 'nothing' }))).toBe('FB_JOB_NOT_FOUND');
    await bench.close();
    await redis.stop();
  });
});

describe('photos', () => {
  it('are embedded with the bank’s own network and compared', async () => {
    const { embedder } = await shippedNetworks();
    const draft = draftOf(crowd(50, 3, 128));
    bench = await startService((store) =>
      publishBank(store, 'default', {
        ...draft,
        inputs: {
          ...draft.inputs,
          embedder: {
            ...draft.inputs.embedder,
            ...{ name: 'recogniser', cardSha256: fingerprint(embedder.card) },
          },
        },
        parameters: { ...draft.parameters, neighbours: 16, operator: 'standardise/1' },
      }),
    );
    const folder = fileURLToPath(new URL('../../node_modules/@vladmandic/face-api/demo/', import.meta.url));
    const [one, two] = await Promise.all(
      ['sample1.jpg', 'sample2.jpg'].map((f) => readFile(join(folder, f))),
    );
    const { face } = bench.client;
    const { faces } = await face.embed({ photos: [{ image: one! }, { image: two! }] });
    expect(faces.map((f) => unpackEmbedding(f.embedding!).length)).toEqual([128, 128]);
    const reply = await face.compare({ a: { image: one! }, b: { image: one! }, operator: 'none' });
    expect(reply.comparison!.scores[0]!.raw).toBeCloseTo(1, 5);
    expect(await codeOf(face.embed({ photos: [{ image: new Uint8Array([1, 2, 3]) }] }))).toBe(
      'FB_PHOTO_NOT_AN_IMAGE',
    );
    expect(await codeOf(face.embed({ photos: [{ image: one!, face: { case: 'index', value: 99 } }] }))).toBe(
      'FB_FACE_INDEX',
    );
    expect(bench.logged()).not.toContain(one!.subarray(100, 120).toString('base64'));
  });
});
