import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FileStore, openStore } from '../../src/bank/index.js';
import { bucketHarms } from '../support/fault-bucket-harms.js';
import { FOLDER_HARMS } from '../support/fault-harms.js';
import { differences, FaultLane, LoopingReader } from '../support/fault-lane.js';
import { undisturbed } from '../support/fault-reference.js';
import { type Harm, type Round, roundsOf, SEED } from '../support/fault-rounds.js';
import { temporaryFolder } from '../support/networks.js';
import { hasRedis, needsRedis } from '../support/redis.js';
import { S3_CREDENTIALS, type S3Server, startS3Server } from '../support/s3-server.js';

/**
 * Whatever is killed, full or away while a refresh runs, and whenever: the bank ends as that of an undisturbed run, byte for
 * byte, and the old version is served all along. `npm run faults` has more rounds and shows the table of points.
 */
let s3: S3Server;
const BUCKET_HARMS = bucketHarms(() => s3);
const HARMS: Readonly<Record<string, Harm>> = { ...FOLDER_HARMS, ...BUCKET_HARMS };
const rounds = roundsOf(Object.keys(FOLDER_HARMS), Object.keys(BUCKET_HARMS));

const mountable = ((): boolean => {
  const directory = mkdtempSync(join('/tmp', 'foilbank-mount-'));
  const mounts = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory]).status === 0;
  if (mounts) spawnSync('umount', [directory]);
  rmSync(directory, { recursive: true });
  return mounts;
})();

const table: string[] = [];
let folder: string;
let reference: Awaited<ReturnType<typeof undisturbed>>;
const lanes: Record<'file' | 's3', FaultLane[]> = { file: [], s3: [] };

beforeAll(async () => {
  if (!hasRedis) return;
  Object.assign(process.env, S3_CREDENTIALS);
  folder = await temporaryFolder();
  reference = await undisturbed(folder);
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
    const { before, peak } = reference.room;
    const size = before + Math.floor((0.15 + 0.65 * random()) * peak);
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${Math.floor(size / 1024)}k`, 'tmpfs', folder]);
  }
  try {
    await lane.reset(probes || full);
    const reader = new LoopingReader(lane.store, reference);
    const workers = [...lane.workers];
    const logged = workers.map((w) => w.log.length);
    const started = performance.now();
    const harm = HARMS[kind] as Harm;
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
