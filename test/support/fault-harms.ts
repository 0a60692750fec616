import { execFileSync } from 'node:child_process';
import { mkdir, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { FaultLane } from './fault-lane.js';
import { between, type Harm } from './fault-rounds.js';

/** Waits until some of the chunks are made and a little longer; a refresh that is over cannot be disturbed. */
export async function somewhere(lane: FaultLane, id: string, random: () => number): Promise<string> {
  const [chunks, more] = [between(random, 0, 5), between(random, 0, 100)];
  for (;;) {
    const { chunks: made, status } = await lane.view(id);
    expect(status).not.toBe('done');
    if (made.done >= chunks || status === 'assembling') break;
    await sleep(5);
  }
  await sleep(more);
  const { status } = await lane.view(id);
  expect(status).not.toBe('done');
  return `${chunks} chunks and ${more} ms on, while it was ${status}`;
}

async function untilActive(lane: FaultLane): Promise<void> {
  while ((await lane.ask(() => lane.queues.generate.getActiveCount())) === 0) await sleep(5);
}

/** Both workers know where one of them ends itself; it is certain that it did. */
const at =
  (fits: string, first: number, last: number): Harm =>
  async (lane, _id, { number, random }) => {
    const nth = between(random, first, last + 1);
    const counters = join(lane.folder, `point-${number}`);
    await mkdir(counters);
    const { workers } = lane;
    await Promise.all(workers.map((w) => w.tell({ point: { pattern: fits, nth, counters } })));
    const ended = await Promise.race([...workers.map((w) => w.gone), sleep(60_000, 'no worker died')]);
    expect(ended).toBe('SIGKILL');
    return { point: `${nth}. of ${fits}` };
  };

const midChunk: Harm = async (lane, id, { random }) => {
  await untilActive(lane);
  const wait = between(random, 0, 150);
  await sleep(wait);
  const victim = between(random, 0, 2);
  expect((await lane.view(id)).status).not.toBe('done');
  await lane.workers[victim]?.kill();
  return { point: `worker ${victim}, ${wait} ms after a chunk began` };
};

const allWorkers: Harm = async (lane, id, { random }) => {
  const point = await somewhere(lane, id, random);
  await Promise.all(lane.workers.map((w) => w.kill()));
  await lane.fillWorkers();
  return { point: `both workers, ${point}` };
};

const redisGone =
  (withWorker: boolean): Harm =>
  async (lane, id, { random }) => {
    const away = between(random, 50, 1500);
    const point = await somewhere(lane, id, random);
    await Promise.all([lane.redis.kill('SIGKILL'), ...(withWorker ? [lane.workers[0]?.kill()] : [])]);
    await sleep(away);
    await lane.redis.restart();
    return { point: `${point}; back after ${away} ms` };
  };

/** Away as a dead network drive is, which fails every call, or as one that is not mounted, whose mount point is empty. */
const folderAway: Harm = async (lane, id, { number, random }, reader) => {
  const away = between(random, 200, 1500);
  const point = await somewhere(lane, id, random);
  const unmounted = number % 2 === 1;
  const folder = lane.store.location;
  reader.storeAway = true;
  await rename(folder, `${folder}.away`);
  // A link to itself: every call fails with ELOOP.
  await (unmounted ? mkdir(folder) : symlink(folder, folder));
  await sleep(away);
  await rm(folder, { recursive: true });
  await rename(`${folder}.away`, folder);
  await sleep(50);
  reader.storeAway = false;
  return { point: `${unmounted ? 'empty' : 'dead'}, ${point}; back after ${away} ms` };
};

const clockMoved: Harm = async (lane, id, { random }) => {
  const minutes = between(random, -4000, 4000);
  const point = await somewhere(lane, id, random);
  await Promise.all(lane.workers.map((w) => w.tell({ clock: minutes * 60_000 })));
  return {
    point: `workers' clocks moved by ${minutes} min, ${point}`,
    after: async () => void (await Promise.all(lane.workers.map((w) => w.tell({ clock: 0 })))),
  };
};

/** The refresh is begun on a disk that has room for a part of what it writes; more is given once that was told. */
const diskFull: Harm = async (lane, id) => {
  const from = lane.workers.map((w) => w.log.length);
  const told = () => lane.workers.flatMap((w, i) => w.log.slice(from[i]));
  const full = () => told().some(({ reason }) => reason?.startsWith('FB_STORE_FULL'));
  while (!full()) {
    expect((await lane.view(id)).status).not.toBe('done');
    await sleep(30);
  }
  execFileSync('mount', ['-o', 'remount,size=64m', lane.store.location]);
  return { point: 'FB_STORE_FULL, then room again' };
};

/** Harms to a refresh in a folder, by what happens. */
export const FOLDER_HARMS: Readonly<Record<string, Harm>> = {
  'worker SIGKILLed in the middle of a chunk': midChunk,
  "worker SIGKILLed halfway through a part's write": at('^write .*/parts/', 1, 6),
  'worker SIGKILLed in a publish, halfway through a write': at(
    '^write .*/(claims|versions|published)/',
    1,
    5,
  ),
  'Redis SIGKILLed': redisGone(false),
  "worker SIGKILLed around a part's rename": at('^(before|after) rename .*/parts/', 1, 12),
  'worker SIGKILLed in a publish, around a link': at('^(before|after) link ', 1, 10),
  'Redis and a worker SIGKILLed': redisGone(true),
  'all workers SIGKILLed': allWorkers,
  'store folder unreachable': folderAway,
  'clock moved': clockMoved,
  'worker SIGKILLed while parts are cleared': at('^(before|after) unlink .*/parts/.*arrow', 1, 10),
  'disk full': diskFull,
};
