import { cp, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type BankStore, listVersions, openBank, verifyBank } from '../../src/bank/index.js';
import { FoilbankError } from '../../src/errors.js';
import {
  enqueueFlow,
  openQueues,
  type Queues,
  type RedisSettings,
  resolveRedis,
} from '../../src/jobs/index.js';
import { findFlow, viewOf } from '../../src/jobs/inspect.js';
import { FaultWorker } from './fault-worker.js';
import { type RedisServer, startRedis } from './redis.js';

/** What an undisturbed run leads from and to. */
export interface Reference {
  /** Folder of a store with the versions before. */
  readonly before: string;
  readonly store: BankStore;
  readonly bank: string;
  readonly old: string;
  readonly fresh: string;
  readonly request: Parameters<typeof enqueueFlow>[1];
}

/** A Redis, a store and two workers of their own, in which one refresh after the other is disturbed. */
export class FaultLane {
  workers: FaultWorker[] = [];
  private constructor(
    readonly folder: string,
    readonly redis: RedisServer,
    readonly queues: Queues,
    readonly reference: Reference,
    private readonly env: Readonly<Record<string, string>>,
    /** The lane's store as this process reads it. */
    readonly store: BankStore,
  ) {}

  static async open(
    reference: Reference,
    storeOf: (folder: string) => { store: BankStore; location: string; env?: Record<string, string> },
  ): Promise<FaultLane> {
    const folder = await mkdtemp(join(tmpdir(), 'foilbank-fault-'));
    const redis = await startRedis();
    const queues = await openQueues(resolveRedis({ REDIS_URL: redis.url }) as RedisSettings);
    const { store, location, env = {} } = storeOf(join(folder, 'store'));
    const all = {
      ...{ REDIS_URL: redis.url, FOILBANK_STORE: location, FOILBANK_LOCK_SECONDS: '1' },
      ...{ FOILBANK_THREADS: '1', FOILBANK_CONCURRENCY: '1', FOILBANK_SHUTDOWN_SECONDS: '5', ...env },
    };
    const lane = new FaultLane(folder, redis, queues, reference, all, store);
    await lane.fillWorkers();
    return lane;
  }

  /** Two workers run, whatever became of those before. */
  async fillWorkers(): Promise<void> {
    this.workers = this.workers.filter((w) => w.alive);
    while (this.workers.length < 2) this.workers.push(new FaultWorker(this.env));
    await Promise.all(this.workers.map((w) => w.ready()));
  }

  /** The store as it was before the refresh. `probes` says whether those of the gates lie there already. */
  async reset(probes: boolean): Promise<void> {
    const { before, bank } = this.reference;
    const target = this.store.location;
    if (target.startsWith('s3:')) {
      for (const { key } of await this.store.list('')) await this.store.remove(key);
      const files = await readdir(before, { recursive: true, withFileTypes: true });
      for (const file of files.filter((f) => f.isFile())) {
        const path = join(file.parentPath, file.name);
        const key = path.slice(before.length + 1);
        if (probes || !key.startsWith(`${bank}/parts/`)) await this.store.write(key, await readFile(path));
      }
      return;
    }
    await mkdir(target, { recursive: true });
    for (const name of await readdir(target)) await rm(join(target, name), { recursive: true });
    await cp(before, target, { recursive: true });
    if (!probes) await rm(join(target, bank, 'parts'), { recursive: true, force: true });
  }

  async enqueue(): Promise<string> {
    return (await enqueueFlow(this.queues, this.reference.request)).id;
  }

  /** Asks Redis until it answers. */
  async ask<T>(question: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await question();
      } catch (error) {
        if (error instanceof FoilbankError) throw error;
        await sleep(20);
      }
    }
  }

  view(id: string) {
    return this.ask(async () => viewOf(this.queues, await findFlow(this.queues, id)));
  }

  /** Waits for a flow's end. */
  async ended(id: string) {
    for (;;) {
      const view = await this.view(id);
      if (['done', 'failed', 'cancelled'].includes(view.status)) return view;
      await sleep(30);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.workers.map((w) => w.kill()));
    await this.queues.close();
    await this.redis.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Opens a bank in a loop, as a service would: it must never fail, and never go back. */
export class LoopingReader {
  readonly problems: string[] = [];
  opened = 0;
  /** While the store is away, a failure with a code is no problem. */
  storeAway = false;
  #stopped = false;
  readonly #done: Promise<void>;

  constructor(store: BankStore, { bank, old }: Reference) {
    let last = old;
    const loop = async () => {
      while (!this.#stopped) {
        const away = this.storeAway;
        try {
          const { version, candidates } = await openBank(store, bank);
          this.opened++;
          if (candidates.seeds.length === 0) this.problems.push(`${version} is empty`);
          if (version !== last && last !== old) this.problems.push(`${version} after ${last}`);
          if (Number(version) < Number(old)) this.problems.push(`${version} is older than ${old}`);
          last = version;
        } catch (error) {
          const coded = error instanceof FoilbankError;
          if (!coded || !(away || this.storeAway)) this.problems.push(String(error));
        }
        await sleep(40);
      }
    };
    this.#done = loop();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }
}

/** What differs between a disturbed run's bank and the undisturbed one's; nothing when they are the same to the byte. */
export async function differences(
  store: BankStore,
  reference: Reference,
  version: string,
): Promise<string[]> {
  const found: string[] = [];
  const { bank } = reference;
  const [made, wanted] = [
    await openBank(store, bank, { version }),
    await openBank(reference.store, bank, { version: reference.fresh }),
  ];
  const plain = ({ manifest }: typeof made) => ({ ...manifest, createdAt: '', version: '' });
  const [a, b] = [JSON.stringify(plain(made)), JSON.stringify(plain(wanted))];
  if (a !== b) found.push(`manifests differ:\n${a}\n${b}`);
  const { problems } = await verifyBank(store, bank);
  found.push(...problems.map(({ file, reason }) => `${file}: ${reason}`));
  const versions = await listVersions(store, bank);
  const count = (await listVersions(reference.store, bank)).length;
  if (versions.length !== count) found.push(`${versions.length} versions, ${count} wanted`);
  const old = await openBank(store, bank, { version: reference.old });
  const seeds = [...old.candidates.seeds, ...made.candidates.seeds];
  if (new Set(seeds).size !== seeds.length) found.push('a candidate comes twice');
  const left = (await store.list(`${bank}/parts`)).map(({ key }) => key);
  const probes = (await reference.store.list(`${bank}/parts`)).map(({ key }) => key);
  if (left.join() !== probes.join()) found.push(`parts left: ${left.join(', ')}`);
  return found;
}
