import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FileStore } from '../../src/bank/index.js';
import {
  JobMetrics,
  Makers,
  openQueues,
  type Queues,
  type RedisSettings,
  resolveRedis,
} from '../../src/jobs/index.js';
import { JobWorkers } from '../../src/jobs/worker.js';
import { InferencePool } from '../../src/onnx/index.js';
import { shippedFolders, temporaryFolder } from '../support/networks.js';
import { hasRedis, needsRedis, type RedisServer, startRedis } from '../support/redis.js';

const reference = { card: 'recogniser', fingerprint: 'f' };
const networks = { generator: reference, embedder: reference, detector: reference, landmarks: reference };
const options = { psi: 1, firstSeed: 0, chunkSize: 32, minimumScore: 0.5, duplicateCeiling: 0.9 };
const chunk = { version: 1, bank: 'blobs', networks, options };
const flow = { version: 1, bank: 'blobs', networks: {}, options: {}, state: {} };

const BAD = [
  ['a chunk of a newer release', 'generate', 'chunk', { ...chunk, version: 2, later: true }, 'FB_JOB_NEWER'],
  ['a flow of a newer release', 'publish', 'flow', { ...flow, version: 99 }, 'FB_JOB_NEWER'],
  ['a schedule of a newer release', 'publish', 'due', { version: 2, bank: 'blobs' }, 'FB_JOB_NEWER'],
  ['a chunk of an unknown version', 'generate', 'chunk', { ...chunk, version: 0 }, 'FB_JOB_INVALID'],
  ['a flow whose version is a word', 'publish', 'flow', { ...flow, version: '1' }, 'FB_JOB_INVALID'],
  [
    'a chunk without seeds',
    'generate',
    'chunk',
    { ...chunk, options: { ...options, firstSeed: -1 } },
    'FB_JOB_INVALID',
  ],
  ['a chunk with a field too many', 'generate', 'chunk', { ...chunk, embeddings: [0.1] }, 'FB_JOB_INVALID'],
  [
    'a flow whose bank leaves the store',
    'publish',
    'flow',
    { ...flow, bank: '../etc' },
    'FB_BANK_NAME_INVALID',
  ],
  ['a payload that is no object', 'publish', 'flow', 7, 'FB_JOB_INVALID'],
  ['a job of a name that nobody knows', 'generate', 'polish', chunk, 'FB_JOB_INVALID'],
] as const;

describe.skipIf(!hasRedis)(needsRedis('jobs that a worker must refuse'), () => {
  let [folder, redis, queues] = ['' as string, {} as RedisServer, {} as Queues];
  const pool = new InferencePool({ threads: 1 });
  const open = () => {
    const store = new FileStore(join(folder, 'store'));
    const folders = shippedFolders();
    const services = { pool, store, folders, makers: new Makers(pool, folders) };
    const log = pino({ level: 'silent' });
    return new JobWorkers({
      services,
      queues,
      log,
      metrics: new JobMetrics(store, queues),
      lockDuration: 1000,
    });
  };
  beforeAll(async () => {
    folder = await temporaryFolder();
    redis = await startRedis();
    queues = await openQueues(resolveRedis({ REDIS_URL: redis.url }) as RedisSettings);
  });
  afterAll(async () => {
    await queues.close();
    await redis.stop();
    await pool.close();
    await rm(folder, { recursive: true });
  });

  it('go to the failed set at the first try, each with its code, and stay there for whoever looks', async () => {
    const ids: string[] = [];
    for (const [title, queue, name, data] of BAD) {
      const job = await queues[queue].add(name as never, data as never);
      ids.push(`${title} ${job.id}`);
    }
    const failed = async () => {
      const jobs = [...(await queues.generate.getFailed()), ...(await queues.publish.getFailed())];
      return jobs.map(({ queueName, name, data, attemptsMade, failedReason }) => ({
        ...{ queue: queueName, name, data, attemptsMade },
        code: /^FB_[A-Z_]+/.exec(failedReason)?.[0],
      }));
    };
    const wanted = BAD.map(([, queue, name, data, code]) => ({ queue, name, data, attemptsMade: 1, code }));
    const worker = open();
    await expect.poll(async () => (await failed()).length, { timeout: 10_000 }).toBe(BAD.length);
    const sorted = (jobs: readonly unknown[]) => jobs.map((job) => JSON.stringify(job)).sort();
    expect(sorted(await failed())).toEqual(sorted(wanted));
    await worker.close(1000);
    // Another worker, later, finds them where they are.
    const later = open();
    await sleep(1500);
    expect(await failed()).toHaveLength(BAD.length);
    await later.close(1000);
    expect(await new FileStore(join(folder, 'store')).list('')).toEqual([]);
  });
});
