import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { FileStore, publishBank } from '../../src/bank/index.js';
import { createFoilbankClient, type FoilbankClient, packEmbedding } from '../../src/client.js';
import { resolveConfig } from '../../src/config.js';
import { resolveRedis } from '../../src/jobs/index.js';
import { createLog } from '../../src/log.js';
import {
  openService,
  resolveServeSettings,
  type ServeOverrides,
  type Service,
} from '../../src/service/index.js';
import { UnitMatrix } from '../../src/vectors/index.js';
import { draftOf, someCandidates } from '../unit/bank/fixtures.js';
import { temporaryFolder } from './networks.js';
import { noise } from './tiny-models.js';

const DIMENSION = 8;
const ROWS = 300;
export const SAMPLE = draftOf(someCandidates(1, DIMENSION));

/** Candidates around one direction, as faces are: what lies opposite is outside of them. */
export function crowd(rows: number, salt: number, dimension = DIMENSION) {
  const table = someCandidates(rows, dimension, salt);
  const shifted = noise(rows * dimension, 31 * salt, 0.4).map((x, i) => x + (i % dimension === 0 ? 1 : 0));
  table.embeddings.set(UnitMatrix.normalise(shifted, dimension).data);
  return table;
}

/** Publishes a small bank, a new version at every call. */
export async function publishCrowd(
  store: FileStore,
  bank: string,
  salt: number,
  more: Parameters<typeof draftOf>[1] = {},
) {
  const parameters = { ...SAMPLE.parameters, neighbours: 16, operator: 'standardise/1' };
  return publishBank(store, bank, draftOf(crowd(ROWS, salt), { parameters, ...more }));
}

export const queries = (rows: number, seed = 5, dimension = DIMENSION): UnitMatrix =>
  UnitMatrix.normalise(
    noise(rows * dimension, seed, 0.4).map((x, i) => x + (i % dimension === 0 ? 1 : 0)),
    dimension,
  );
export const packedRows = (matrix: UnitMatrix) =>
  Array.from({ length: matrix.rows }, (_, row) => packEmbedding(matrix.row(row)));

export interface Bench {
  readonly service: Service;
  readonly store: FileStore;
  readonly folder: string;
  readonly client: FoilbankClient;
  /** Everything that was logged, at its finest. */
  readonly logged: () => string;
  close(): Promise<void>;
}

/** A whole service in this process, over real threads, on a free port. `prepare` fills the store before it starts. */
export async function startService(
  prepare: (store: FileStore) => Promise<unknown>,
  options: {
    readonly env?: Readonly<Record<string, string>>;
    readonly overrides?: ServeOverrides;
    readonly keys?: (folder: string) => Promise<string>;
  } = {},
): Promise<Bench> {
  const folder = await temporaryFolder();
  const store = new FileStore(join(folder, 'banks'));
  await prepare(store);
  let text = '';
  const sink = new Writable({
    write(chunk, _, done) {
      text += String(chunk);
      done();
    },
  });
  const keys = await options.keys?.(folder);
  const env = { FOILBANK_POLL_MS: '100', FOILBANK_SHUTDOWN_SECONDS: '3', ...options.env };
  const service = await openService({
    config: resolveConfig(env, { store: store.location, threads: 1 }),
    settings: resolveServeSettings(env, {
      ...{ port: 0, auth: keys !== undefined, keys },
      ...options.overrides,
    }),
    redis: resolveRedis(env),
    log: createLog({ FOILBANK_LOG_LEVEL: 'trace' }, sink),
  });
  await service.loaded;
  return {
    ...{ service, store, folder },
    client: createFoilbankClient({ baseUrl: service.url }),
    logged: () => text,
    close: async () => {
      await service.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Waits until something holds. */
export async function until(holds: () => boolean | Promise<boolean>, milliseconds = 10_000): Promise<void> {
  const end = Date.now() + milliseconds;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error('it never came to hold');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
