import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Logger, pino } from 'pino';
import { test } from 'vitest';
import { FileStore } from '../../src/bank/index.js';
import { Makers, openQueues, type Queues, type RedisSettings, resolveRedis } from '../../src/jobs/index.js';
import { type FlowView, findFlow, viewOf } from '../../src/jobs/inspect.js';
import { JobMetrics } from '../../src/jobs/metrics.js';
import { JobWorkers } from '../../src/jobs/worker.js';
import { InferencePool } from '../../src/onnx/index.js';
import { shippedFolders, temporaryFolder, tinyNetworks } from './networks.js';
import { type RedisServer, startRedis } from './redis.js';

/** A redis-server, a folder, tiny networks and inference threads, for the tests of one file. */
export interface JobGround {
  readonly redis: RedisServer;
  readonly folder: string;
  /** Paths of cards. The generator makes blobs, so requests ask for no detector score. */
  readonly cards: { readonly generator: string; readonly embedder: string };
  /** A prefix of its own, a store of its own and no worker yet. */
  open(name: string): Promise<JobTurf>;
  close(): Promise<void>;
}

export interface JobTurf {
  /** Opened again under its name, it is as another process sees it. */
  readonly name: string;
  readonly queues: Queues;
  readonly store: FileStore;
  services(): {
    pool: InferencePool;
    store: FileStore;
    folders: ReturnType<typeof shippedFolders>;
    makers: Makers;
  };
  work(settings?: { serve?: readonly string[]; log?: Logger }): JobWorkers;
  view(id: string): Promise<FlowView>;
  /** Polls until the flow has one of these states. */
  until(id: string, ...states: FlowView['status'][]): Promise<FlowView>;
  close(): Promise<void>;
}

export async function openJobGround(): Promise<JobGround> {
  const pool = new InferencePool({ threads: 2 });
  const folder = await temporaryFolder();
  const redis = await startRedis();
  await tinyNetworks(join(folder, 'models'));
  const card = (name: string) => join(folder, 'models', `${name}.json`);
  return {
    ...{ redis, folder },
    cards: { generator: card('tiny-generator'), embedder: card('tiny-arcface') },
    open: (name) => openTurf(pool, redis, folder, name),
    async close() {
      await pool.close();
      await redis.stop();
      await rm(folder, { recursive: true });
    },
  };
}

async function openTurf(
  pool: InferencePool,
  redis: RedisServer,
  folder: string,
  name: string,
): Promise<JobTurf> {
  const settings = resolveRedis({ REDIS_URL: redis.url, FOILBANK_REDIS_PREFIX: `{${name}}` });
  const queues = await openQueues(settings as RedisSettings);
  const store = new FileStore(join(folder, name));
  const workers: JobWorkers[] = [];
  const view = async (id: string) => viewOf(queues, await findFlow(queues, id));
  const services = () => {
    const folders = shippedFolders();
    return { pool, store, folders, makers: new Makers(pool, folders) };
  };
  return {
    ...{ name, queues, store, services, view },
    work({ serve, log = pino({ level: 'silent' }) } = {}) {
      const metrics = new JobMetrics(store, queues);
      const worker = new JobWorkers({
        ...{ services: services(), queues, metrics, log, lockDuration: 2000 },
        ...(serve ? { serve } : {}),
      });
      workers.push(worker);
      return worker;
    },
    async until(id, ...states) {
      for (;;) {
        const now = await view(id);
        if (states.includes(now.status)) return now;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    async close() {
      await Promise.all(workers.map((w) => w.close(5000)));
      await queues.close();
    },
  };
}

let turfs = 0;
/** `it` with a ground for the tests of a file and a turf of its own for each of them. */
export const jobTest = test
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the pattern
  .extend('ground', { scope: 'file' }, async ({}, { onCleanup }) => {
    const ground = await openJobGround();
    onCleanup(() => ground.close());
    return ground;
  })
  .extend('turf', async ({ ground }, { onCleanup }) => {
    const turf = await ground.open(`turf${++turfs}`);
    onCleanup(() => turf.close());
    return turf;
  });

/** A refresh of bank `blobs` in three chunks. */
export const blobs = ({ cards }: JobGround, options = {}) => ({
  ...{ bank: 'blobs', networks: cards },
  options: { size: 150, chunkSize: 64, minimumScore: 0, ...options },
});
