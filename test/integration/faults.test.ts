import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FileStore, openStore } from '../../src/bank/index.js';
import { Makers, runLocally } from '../../src/jobs/index.js';
import { InferencePool } from '../../src/onnx/index.js';
import { differences, FaultLane, LoopingReader, type Reference } from '../support/fault-lane.js';
import { shippedFolders, temporaryFolder, tinyNetworks } from '../support/networks.js';
import { hasRedis, needsRedis } from '../support/redis.js';
import { S3_CREDENTIALS, type S3Server, startS3Server } from '../support/s3-server.js';

/**
 * Whatever is killed, full or away while a refresh runs, and whenever: the bank ends as that of an undisturbed run, byte for
 * byte, and the old version is served all along. FAULT_SEED repeats the points of a run or draws others,
 * FAULT_ROUNDS asks for more of them.
 */
const SEED = Number(process.env.FAULT_SEED ?? 1);
/** The suite has one round of each kind and a few; `FAULT_ROUNDS=48` is the whole. */
const ROUNDS = Number(process.env.FAULT_ROUNDS ?? 14);

/** Numbers in 0..1 that a seed and a round give again. */
function randomOf(round: number): () => number {
  let state = (SEED * 1_000_003 + round * 7919 + 1) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Round {
  readonly number: number;
  readonly kind: Kind;
  readonly random: () => number;
  readonly probes: boolean;
}
interface Struck {
  /** Where exactly, for the table. */
  readonly point: string;
  /** Done once the refresh has ended. */
  readonly after?: () => Promise<void>;
}
/** Does the harm to a refresh that was just begun, and returns when it is done. */
type Harm = (lane: FaultLane, id: string, round: Round, reader: LoopingReader) => Promise<Struck>;

const between = (random: () => number, low: number, high: number) =>
  Math.floor(low + random() * (high - low));

const mountable = ((): boolean => {
  const directory = mkdtempSync(join('/tmp', 'foilbank-mount-'));
  const mounts = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory]).status === 0;
  if (mounts) spawnSync('umount', [directory]);
  rmSync(directory, { recursive: true });
  return mounts;
})();

/** Waits until some of the chunks are made and a little longer; a refresh that is over cannot be disturbed. */
async function somewhere(lane: FaultLane, id: string, random: () => number): Promise<string> {
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
    mkdirSync(counters);
    const { workers } = lane;
    await Promise.all(workers.map((w) => w.tell({ point: { pattern: fits, nth, counters } })));
    const ended = await Promise.race([...workers.map((w) => w.gone), sleep(20_000, 'no worker died')]);
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

const folderAway: Harm = async (lane, id, { random }, reader) => {
  const away = between(random, 200, 1500);
  const point = await somewhere(lane, id, random);
  const folder = lane.store.location;
  reader.storeAway = true;
  await rename(folder, `${folder}.away`);
  // A link to itself: every call fails with ELOOP, as those of a dead network drive fail.
  await symlink(folder, folder);
  await sleep(away);
  await rm(folder);
  await rename(`${folder}.away`, folder);
  await sleep(50);
  reader.storeAway = false;
  return { point: `${point}; back after ${away} ms` };
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

let s3: S3Server;
const atRequest: Harm = async (lane, _id, { random }) => {
  const nth = between(random, 1, 22);
  let [count, line] = [0, ''];
  await new Promise<void>((struck) => {
    s3.disturb = (request) => {
      if (!/^(PUT|DELETE|POST)/.test(request) || ++count !== nth) return undefined;
      line = request.replace(/^(\S+) .*\/blobs\//, '$1 …/').replace(/\?.*/, '');
      struck();
      return 'hang';
    };
  });
  s3.disturb = () => undefined;
  await Promise.all(lane.workers.map((w) => w.kill()));
  await lane.fillWorkers();
  return { point: `both workers at writing request ${nth}: ${line}` };
};
const bucketAway: Harm = async (lane, id, { random }, reader) => {
  const away = between(random, 500, 2500);
  const point = await somewhere(lane, id, random);
  reader.storeAway = true;
  const how = random() < 0.5 ? ('drop' as const) : { refuse: 503 };
  s3.disturb = () => how;
  await sleep(away);
  s3.disturb = () => undefined;
  await sleep(300);
  reader.storeAway = false;
  return { point: `${how === 'drop' ? 'no connection' : '503'}, ${point}; for ${away} ms` };
};

const KINDS = {
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
} satisfies Record<string, Harm>;
const S3_KINDS = {
  'S3: workers SIGKILLed at a request': atRequest,
  'S3: store unreachable': bucketAway,
} satisfies Record<string, Harm>;
type Kind = keyof typeof KINDS | keyof typeof S3_KINDS;

const SHARE_OF_S3 = 6;
const rounds: Round[] = Array.from({ length: ROUNDS }, (_, number) => {
  const random = randomOf(number);
  const names = Object.keys(KINDS) as Kind[];
  const kinds = Object.keys(S3_KINDS) as Kind[];
  const bucket = number % SHARE_OF_S3 === SHARE_OF_S3 - 1;
  const turn = Math.floor(number / SHARE_OF_S3);
  const kind = bucket ? kinds[turn % kinds.length] : names[(number - turn) % names.length];
  return { number, kind: kind as Kind, random, probes: random() < 0.75 };
});

const table: string[] = [];
let folder: string;
let reference: Reference;
let room: { before: number; peak: number };
const lanes: Record<'file' | 's3', FaultLane[]> = { file: [], s3: [] };

const sizeOf = (path: string) => Number(execFileSync('du', ['-sk', path]).toString().split('\t')[0]) * 1024;

beforeAll(async () => {
  if (!hasRedis) return;
  Object.assign(process.env, S3_CREDENTIALS);
  folder = await temporaryFolder();
  await tinyNetworks(join(folder, 'models'));
  const networks = {
    generator: join(folder, 'models', 'tiny-generator.json'),
    embedder: join(folder, 'models', 'tiny-arcface.json'),
  };
  const pool = new InferencePool({ threads: 2 });
  const store = new FileStore(join(folder, 'reference'));
  const folders = shippedFolders();
  const services = { pool, store, folders, makers: new Makers(pool, folders) };
  const request = { bank: 'blobs', networks, options: { size: 150, chunkSize: 32, minimumScore: 0 } };
  // The second one makes the probes of the gates too.
  for (let i = 0; i < 2; i++) await runLocally(services, request);
  const before = join(folder, 'before');
  cpSync(store.location, before, { recursive: true });
  await runLocally(services, request);
  await pool.close();
  reference = { before, store, bank: 'blobs', old: '000002', fresh: '000003', request };
  room = { before: sizeOf(before), peak: 5 * 70_000 + sizeOf(store.location) - sizeOf(before) };
  s3 = await startS3Server();
  const local = (path: string) => ({ store: new FileStore(path), location: path });
  const bucket = (path: string) => {
    const location = `s3://${s3.bucket}/lane?endpoint=${encodeURIComponent(s3.endpoint)}&pathStyle=1`;
    return {
      store: openStore(location, { cache: `${path}-cache` }),
      ...{ location, env: { XDG_CACHE_HOME: `${path}-workers` } },
    };
  };
  const open = (name: keyof typeof lanes, where: Parameters<typeof FaultLane.open>[1]) =>
    FaultLane.open(reference, where).then((lane) => lanes[name].push(lane));
  await Promise.all([open('file', local), open('file', local), open('s3', bucket)]);
}, 120_000);
afterAll(async () => {
  if (!hasRedis) return;
  await Promise.all(Object.values(lanes).flatMap((all) => all.map((lane) => lane.close())));
  await s3.close();
  await rm(folder, { recursive: true, force: true });
  console.log(
    `faults, FAULT_SEED=${SEED}\n${table.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10)).join('\n')}`,
  );
}, 60_000);

/** Lends a lane to one round at a time. */
async function withLane(name: keyof typeof lanes, use: (lane: FaultLane) => Promise<void>): Promise<void> {
  let lane: FaultLane | undefined;
  while (!lane) {
    lane = lanes[name].pop();
    if (!lane) await sleep(20);
  }
  try {
    await use(lane);
  } finally {
    lanes[name].push(lane);
  }
}

async function disturb(lane: FaultLane, round: Round): Promise<void> {
  const { kind, number, probes, random } = round;
  await lane.fillWorkers();
  const full = kind === 'disk full';
  const folder = lane.store.location;
  if (full) {
    mkdirSync(folder, { recursive: true });
    const size = room.before + Math.floor((0.15 + 0.65 * random()) * room.peak);
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${Math.floor(size / 1024)}k`, 'tmpfs', folder]);
  }
  try {
    await lane.reset(probes || full);
    const reader = new LoopingReader(lane.store, reference);
    const workers = [...lane.workers];
    const logged = workers.map((w) => w.log.length);
    const started = performance.now();
    const harm = ({ ...KINDS, ...S3_KINDS } as Record<Kind, Harm>)[kind];
    let id = '';
    // A point must be known before the refresh begins, a time counts from its beginning.
    const begun = lane.enqueue().then((flow) => {
      id = flow;
    });
    if (!kind.includes('write') && !kind.includes('around') && !kind.includes('cleared')) await begun;
    const struck = await harm(lane, id, round, reader);
    await begun;
    const filling = lane.fillWorkers();
    const view = await lane.ended(id);
    await filling;
    const seconds = (performance.now() - started) / 1000;
    await struck.after?.();
    await reader.stop();
    const lines = workers.flatMap((w, i) => w.log.slice(logged[i]));
    const codes = new Set(lines.map(({ reason = '' }) => /^FB_[A-Z_]+/.exec(reason)?.[0] ?? ''));
    const silent = lines.some(({ msg }) => /went silent/.test(msg)) ? 'taken back' : '';
    const seen = [...codes, silent].filter((c) => c !== '').join(', ');
    table.push(
      `${number}\t${kind}\t${struck.point}\t${view.status}, try ${view.tries}${seen && `; ${seen}`}; opened ${reader.opened} times\t${seconds.toFixed(1)} s`,
    );
    expect(view.reason ?? '').toBe('');
    expect(view).toMatchObject({ status: 'done' });
    expect(await differences(lane.store, reference, view.version as string)).toEqual([]);
    expect(reader.problems).toEqual([]);
    expect(reader.opened).toBeGreaterThan(0);
  } finally {
    if (full) execFileSync('umount', ['-l', folder]);
    if (existsSync(`${folder}.away`)) await rename(`${folder}.away`, folder);
  }
}

describe.skipIf(!hasRedis)(needsRedis('a refresh that is disturbed'), () => {
  for (const round of rounds) {
    const { number, kind } = round;
    const title = `seed ${SEED}, round ${number}: ${kind}`;
    const full = kind === 'disk full' && !mountable;
    it.skipIf(full).concurrent(
      full ? `${title} (SKIPPED: this user may not mount a small tmpfs)` : title,
      () => withLane(kind.startsWith('S3') ? 's3' : 'file', (lane) => disturb(lane, round)),
      600_000,
    );
  }
});
