import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { FileStore } from '../src/bank/index.js';
import { packageRoot, resolveConfig } from '../src/config.js';
import {
  enqueueFlow,
  JobMetrics,
  JobWorkers,
  Makers,
  openQueues,
  type Queues,
  resolveRedis,
  runLocally,
  showFlow,
} from '../src/jobs/index.js';
import { createLog } from '../src/log.js';
import { InferencePool } from '../src/onnx/index.js';
import { median } from './support/median.js';
import { startRedis } from './support/redis.js';
import { slopeOf } from './support/slope.js';
import { tied } from './support/tied.js';

const OPTIONS = {
  chunks: { type: 'string', default: '200' },
  chunkSize: { type: 'string', default: '64' },
  rounds: { type: 'string', default: '2' },
  /** `handOut`, `workers` or `overhead`. */
  only: { type: 'string' },
} as const;

/**
 * What queues cost, with a redis-server of its own: chunks through Redis by the same in one process (aim: at most 1.05) and
 * the memory that they leave; two workers of one thread by one (aim: at least 1.8); and handing out 10,000 chunks (aim: at most
 * 10 s) and looking at them (aim: under 50 ms).
 */
export async function benchQueue(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const [chunks, chunkSize, rounds] = [
    Number(values.chunks),
    Number(values.chunkSize),
    Number(values.rounds),
  ];
  const folder = await mkdtemp(join(tmpdir(), 'foilbank-bench-'));
  const redis = await startRedis(folder);
  try {
    const { only } = values;
    const wanted = (part: string) => only === undefined || only === part;
    if (wanted('handOut')) await benchHandOut(redis.url, folder);
    if (wanted('workers')) await benchWorkers(redis.url, folder, chunks, chunkSize, rounds);
    if (wanted('overhead')) await benchOverhead(redis.url, folder, chunks, chunkSize, rounds);
  } finally {
    redis.kill();
    await rm(folder, { recursive: true, force: true });
  }
}

async function withQueues<T>(
  url: string,
  use: (queues: Queues) => Promise<T>,
  prefix = '{bench}',
): Promise<T> {
  const settings = resolveRedis({ REDIS_URL: url, FOILBANK_REDIS_PREFIX: prefix });
  if (!settings) throw new TypeError('no Redis');
  const queues = await openQueues(settings);
  return use(queues).finally(() => queues.close());
}

async function untilDone(queues: Queues, id: string): Promise<void> {
  for (;;) {
    const { status, reason } = await showFlow(queues, id);
    if (status === 'done') return;
    if (status === 'failed') throw new Error(reason);
    await sleep(50);
  }
}

/** Seeds alone: as many chunks as were asked for, whatever passes the gates. */
const partsOf = (bank: string, chunks: number, chunkSize: number) => ({
  ...{ bank, networks: {}, partsOnly: true },
  options: { size: chunks * chunkSize, chunkSize },
});

async function benchOverhead(
  url: string,
  folder: string,
  chunks: number,
  chunkSize: number,
  rounds: number,
): Promise<void> {
  const { cards, cache, threads } = resolveConfig();
  const folders = { cards, cache };
  const pool = new InferencePool({ threads });
  const log = createLog({ FOILBANK_LOG_LEVEL: 'error' });
  const store = new FileStore(join(folder, 'overhead'));
  const services = { pool, store, folders, makers: new Makers(pool, folders) };
  await runLocally(services, partsOf('warm', 4, chunkSize));
  const ratios: number[] = [];
  const slopes: number[] = [];
  await withQueues(url, async (queues) => {
    for (let round = 0; round < rounds; round++) {
      const inProcess = await seconds(() =>
        runLocally(services, partsOf(`here-${round}`, chunks, chunkSize)),
      );
      const workers = new JobWorkers({ services, queues, log, metrics: new JobMetrics(store) });
      const memory: { at: number; bytes: number }[] = [];
      const sampling = setInterval(
        () => memory.push({ at: performance.now(), bytes: process.memoryUsage().rss }),
        200,
      );
      const queued = await seconds(async () =>
        untilDone(queues, (await enqueueFlow(queues, partsOf(`queue-${round}`, chunks, chunkSize))).id),
      );
      clearInterval(sampling);
      await workers.close(5000);
      ratios.push(queued / inProcess);
      // The first third warms up.
      slopes.push(slopeOf(memory.slice(Math.floor(memory.length / 3))).slope * queued);
      console.log(
        `  ${chunks} chunks of ${chunkSize} through Redis / in process   ${(queued / inProcess).toFixed(3)}   (${queued.toFixed(1)} s / ${inProcess.toFixed(1)} s); memory ${(slopes.at(-1)! / 1e6).toFixed(1)} MB more over the run`,
      );
    }
  });
  await pool.close();
  console.log(`  median ratio ${median(ratios).toFixed(3)} (aim: at most 1.05)`);
}

/** Real worker processes of one thread each, one and then two of them, on the same chunks. */
async function benchWorkers(
  url: string,
  folder: string,
  chunks: number,
  chunkSize: number,
  rounds: number,
): Promise<void> {
  const location = join(folder, 'workers');
  const env = { ...process.env, REDIS_URL: url, FOILBANK_STORE: location, FOILBANK_THREADS: '1' };
  const settings = {
    FOILBANK_MONITOR_PORT: '0',
    FOILBANK_REDIS_PREFIX: '{bench}',
    FOILBANK_LOG_LEVEL: 'error',
  };
  const start = (name: string) =>
    tied(
      spawn(process.execPath, [join(packageRoot(), 'dist', 'workers', `${name}.js`)], {
        env: { ...env, ...settings },
        stdio: ['ignore', 'inherit', 'inherit'],
      }),
    );
  const running = [start('publish'), start('generate')];
  try {
    await withQueues(url, async (queues) => {
      const timed = async (bank: string, count = chunks) =>
        seconds(async () =>
          untilDone(queues, (await enqueueFlow(queues, partsOf(bank, count, chunkSize))).id),
        );
      // A short flow would be told by its end, where one worker waits for the other's last chunks.
      const warmUp = Math.ceil(chunks / 10);
      const ratios: number[] = [];
      await timed('one-warm', warmUp);
      const alone: number[] = [];
      const before = processorSeconds(running);
      for (let round = 0; round < rounds; round++) alone.push(await timed(`one-${round}`));
      const cores = (processorSeconds(running) - before) / alone.reduce((a, b) => a + b, 0);
      running.push(start('generate'));
      await timed('two-warm', warmUp);
      for (let round = 0; round < rounds; round++) {
        const both = await timed(`two-${round}`);
        ratios.push(alone[round]! / both);
        console.log(
          `  two workers of one thread / one   ${ratios.at(-1)!.toFixed(2)}   (${alone[round]!.toFixed(1)} s / ${both.toFixed(1)} s)`,
        );
      }
      console.log(`  median ${median(ratios).toFixed(2)} (aim: at least 1.8)`);
      // One inference thread is not all that a worker does: decoding, gates and parts go on beside it.
      const room = availableParallelism() / cores;
      console.log(`  one worker uses ${cores.toFixed(2)} of the cores: room for ${room.toFixed(2)}`);
    });
  } finally {
    for (const child of running) child.kill('SIGKILL');
  }
  const [one, two] = [await bareRate(1), await bareRate(2)];
  console.log(`  two processes of the bare generator / one: ${(two / one).toFixed(2)}`);
}

/** Images a second of some processes together that do nothing but generate. */
async function bareRate(processes: number): Promise<number> {
  const script = fileURLToPath(new URL('./support/bare-generator-trial.js', import.meta.url));
  const children = Array.from({ length: processes }, () => tied(fork(script)));
  await Promise.all(children.map((child) => once(child, 'message')));
  const rates = children.map(async (child) => {
    child.send('go');
    const [rate] = await once(child, 'message');
    return Number(rate);
  });
  return (await Promise.all(rates)).reduce((a, b) => a + b);
}

/** What they have used of the processors so far, of Linux's own account; in hundredths of a second there. */
function processorSeconds(children: readonly ChildProcess[]): number {
  const of = ({ pid }: ChildProcess) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  };
  return children.reduce((sum, child) => sum + of(child), 0);
}

async function benchHandOut(url: string, folder: string): Promise<void> {
  const { cards, cache } = resolveConfig();
  const folders = { cards, cache };
  const pool = new InferencePool({ threads: 1 });
  const store = new FileStore(join(folder, 'many'));
  const services = { pool, store, folders, makers: new Makers(pool, folders) };
  await runLocally(services, partsOf('warm', 1, 1));
  const log = createLog({ FOILBANK_LOG_LEVEL: 'error' });
  await withQueues(
    url,
    async (queues) => {
      const workers = new JobWorkers({
        services,
        queues,
        log,
        metrics: new JobMetrics(store),
        serve: ['publish'],
      });
      let id = '';
      const handedOut = await seconds(async () => {
        id = (await enqueueFlow(queues, partsOf('many', 10_000, 100))).id;
        while ((await showFlow(queues, id)).status !== 'generating') await sleep(20);
      });
      const looks: number[] = [];
      for (let look = 0; look < 100; look++) looks.push(1000 * (await seconds(() => showFlow(queues, id))));
      const { chunks } = await showFlow(queues, id);
      looks.sort((a, b) => a - b);
      console.log(
        `  ${chunks.total} chunks handed out in ${handedOut.toFixed(1)} s (aim: at most 10); a look at them ${median(looks).toFixed(1)} ms, the longest of 100 ${looks.at(-1)!.toFixed(1)} ms (aim: under 50)`,
      );
      await workers.close(1000);
      // Nobody shall make these chunks.
    },
    '{many}',
  );
  await pool.close();
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}
