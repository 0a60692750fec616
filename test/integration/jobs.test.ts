import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FileStore, showBank } from '../../src/bank/index.js';
import {
  enqueueFlow,
  Makers,
  openQueues,
  type Queues,
  type RedisSettings,
  resolveRedis,
  runLocally,
} from '../../src/jobs/index.js';
import { findFlow, viewOf } from '../../src/jobs/inspect.js';
import { JobMetrics } from '../../src/jobs/metrics.js';
import { JobWorkers } from '../../src/jobs/worker.js';
import { InferencePool } from '../../src/onnx/index.js';
import { shippedFolders, temporaryFolder, tinyNetworks } from '../support/networks.js';
import { startRedis } from '../support/redis.js';

const log = pino({ level: 'silent' });
const pool = new InferencePool({ threads: 2 });
let folder: string;
let redis: Awaited<ReturnType<typeof startRedis>>;
let cards: { generator: string; embedder: string };
beforeAll(async () => {
  folder = await temporaryFolder();
  redis = await startRedis();
  await tinyNetworks(join(folder, 'models'));
  cards = {
    generator: join(folder, 'models', 'tiny-generator.json'),
    embedder: join(folder, 'models', 'tiny-arcface.json'),
  };
});
afterAll(async () => {
  await pool.close();
  await redis.stop();
  await rm(folder, { recursive: true });
});

let queues: Queues;
let workers: JobWorkers[];
let number = 0;
beforeEach(async () => {
  queues = await openQueues(
    resolveRedis({ REDIS_URL: redis.url, FOILBANK_REDIS_PREFIX: `{t${++number}}` }) as RedisSettings,
  );
  workers = [];
});
afterEach(async () => {
  await Promise.all(workers.map((w) => w.close(5000)));
  await queues.close();
});

const storeNamed = (name: string) => new FileStore(join(folder, name));
const servicesOf = (store: FileStore) => {
  const folders = shippedFolders();
  return { pool, store, folders, makers: new Makers(pool, folders) };
};
function work(store: FileStore, serve?: readonly string[]): JobWorkers {
  const services = servicesOf(store);
  const metrics = new JobMetrics(store, queues);
  const worker = new JobWorkers({
    ...{ services, queues, metrics, log, lockDuration: 2000 },
    ...(serve ? { serve } : {}),
  });
  workers.push(worker);
  return worker;
}
/** The brought-along generator makes blobs, so no detector score is asked for. */
const request = (options = {}) => ({
  ...{ bank: 'blobs', networks: cards },
  options: { size: 150, chunkSize: 64, minimumScore: 0, ...options },
});
async function ended(id: string) {
  for (;;) {
    const view = await viewOf(queues, await findFlow(queues, id));
    if (['done', 'failed', 'cancelled'].includes(view.status)) return view;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe('a refresh through the queues', () => {
  it('builds the first version of a bank, the same bytes as without a queue', async () => {
    const store = storeNamed('queued');
    work(store);
    const { id, joined } = await enqueueFlow(queues, request());
    expect(joined).toBe(false);
    expect(await ended(id)).toMatchObject({
      ...{ status: 'done', version: '000001', epoch: 0 },
      chunks: { done: 3, failed: 0, total: 3 },
    });
    const local = storeNamed('local');
    await runLocally(servicesOf(local), request());
    const [queued, here] = await Promise.all([showBank(store, 'blobs'), showBank(local, 'blobs')]);
    expect(queued).toEqual({ ...here, createdAt: queued.createdAt });
  });
});
