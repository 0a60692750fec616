import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { ExactEngine, HnswEngine, type NeighbourEngine } from '../../src/neighbours/index.js';
import { InferencePool } from '../../src/onnx/index.js';
import { spreadOf } from '../../src/vectors/index.js';
import { bunchedVectors } from './bunched-vectors.js';
import { UsearchEngine } from './usearch-engine.js';

/**
 * One engine at one bank size, in a process of its own so that its memory can be told from the others'. Reads the trial from
 * the command line, sends its rows to the parent.
 */
export interface Trial {
  readonly engine: 'exact' | 'hnsw' | 'usearch';
  readonly candidates: number;
  readonly dimension: number;
  readonly ks: readonly number[];
  /** M and efConstruction; exact search has none. */
  readonly connections?: number;
  readonly efConstruction?: number;
  readonly recall: number;
  readonly threads: number;
  /** Seconds that one figure is measured for. */
  readonly seconds: number;
  /** Where the index is written. */
  readonly file: string;
  /** Building and searching are two processes: memory is that of a loaded index. */
  readonly step: 'build' | 'search';
}

export interface Built {
  /** Processor time. */
  readonly buildSeconds: number;
  readonly megabytes: number;
}

export interface Searched {
  readonly loadMilliseconds: number;
  /** Growth of the resident set: loading the index and one batch of 64. */
  readonly residentMegabytes: number;
  readonly rows: readonly SearchRow[];
}

export interface SearchRow {
  readonly k: number;
  readonly ef: number | undefined;
  readonly recall: number;
  /** Mean |r − r of exact search|, and the same in units of the standard deviation of r over the queries. */
  readonly errorOfR: number;
  readonly errorOfRInSpreads: number;
  /** Queries per second of processor time at batch 1 and 64, and those of exact search on one thread, measured by turns with it. */
  readonly single: number;
  readonly batch: number;
  readonly exactSingle: number;
  readonly exactBatch: number;
}

const QUERIES = 512;
const BATCH = 64;
const TURNS = 8;
/** Search widths tried, in multiples of K, until the wanted recall is reached. */
const EF_LADDER = [1, 1.25, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128];

const trial = JSON.parse(process.argv[2] ?? '{}') as Trial;
const candidates = bunchedVectors({ rows: trial.candidates, dimension: trial.dimension, seed: 1 }).shared();
const queries = bunchedVectors({ rows: QUERIES, dimension: trial.dimension, seed: 2 });
const sha256 = trial.step === 'search' && trial.engine === 'hnsw' ? sha256Of(trial.file) : '';
const result = trial.step === 'build' ? await build() : await search();
process.send?.(result, () => process.exit(0));

async function build(): Promise<Built> {
  const { connections = 16, efConstruction = 200 } = trial;
  const before = process.cpuUsage();
  const engine =
    trial.engine === 'usearch'
      ? UsearchEngine.build(candidates, connections, efConstruction, trial.threads)
      : await HnswEngine.build({ candidates, connections, efConstruction });
  const { user, system } = process.cpuUsage(before);
  const buildSeconds = (user + system) / 1e6;
  await engine.save(trial.file);
  await engine.close();
  return { buildSeconds, megabytes: statSync(trial.file).size / 1e6 };
}

async function search(): Promise<Searched> {
  const pool = new InferencePool({ threads: 1, intraOpNumThreads: trial.threads });
  const onePool = new InferencePool({ threads: 1, intraOpNumThreads: 1 });
  const before = await residentMegabytes();
  const started = performance.now();
  const first = await open(pool, 1);
  const loadMilliseconds = performance.now() - started;
  await first.nearest(queries.slice(0, BATCH), trial.ks[0]!);
  const memory = (await residentMegabytes()) - before;
  const itself = trial.engine === 'exact' && trial.threads === 1;
  const exact = itself ? first : await ExactEngine.create({ candidates, pool: onePool });
  const rows: SearchRow[] = [];
  for (const k of trial.ks) rows.push(await measure(pool, first, exact, k));
  await Promise.all([pool.close(), onePool.close()]);
  return { loadMilliseconds, residentMegabytes: memory, rows };
}

async function open(pool: InferencePool, ef: number): Promise<NeighbourEngine> {
  const { candidates: count, dimension, file } = trial;
  if (trial.engine === 'exact') return ExactEngine.create({ candidates, pool });
  if (trial.engine === 'usearch') return UsearchEngine.load(file, count, dimension, ef, trial.threads);
  return HnswEngine.load({ file, sha256, candidates: count, dimension, ef, efPerNeighbour: 1 });
}

async function measure(pool: InferencePool, opened: NeighbourEngine, exact: NeighbourEngine, k: number) {
  const truth = await exact.nearest(queries, k);
  let engine = opened;
  let ef: number | undefined;
  let found = truth;
  if (trial.engine !== 'exact')
    for (const factor of EF_LADDER) {
      ef = Math.ceil(k * factor);
      engine = await open(pool, ef);
      found = await engine.nearest(queries, k);
      if (recallOf(found.rows, truth.rows, k) >= trial.recall) break;
      if (factor !== EF_LADDER.at(-1)) await engine.close();
    }
  const [rFound, rTruth] = [found, truth].map(({ similarities }) =>
    Float64Array.from(
      { length: QUERIES },
      (_, q) => spreadOf(similarities.subarray(q * k, (q + 1) * k)).mean,
    ),
  ) as [Float64Array, Float64Array];
  const errorOfR = rFound.reduce((sum, r, q) => sum + Math.abs(r - rTruth[q]!), 0) / QUERIES;
  const spread = spreadOf(Float32Array.from(rTruth)).deviation;
  const both = engine === exact ? [exact] : [exact, engine];
  const single = await rates(both, k, 1);
  const batch = await rates(both, k, BATCH);
  if (engine !== opened) await engine.close();
  return {
    k,
    ef,
    recall: recallOf(found.rows, truth.rows, k),
    errorOfR,
    errorOfRInSpreads: errorOfR / spread,
    single: single.at(-1)!,
    batch: batch.at(-1)!,
    exactSingle: single[0]!,
    exactBatch: batch[0]!,
  };
}

function sha256Of(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

function recallOf(found: Int32Array, truth: Int32Array, k: number): number {
  let hits = 0;
  for (let q = 0; q < QUERIES; q++) {
    const there = new Set(found.subarray(q * k, (q + 1) * k));
    for (const row of truth.subarray(q * k, (q + 1) * k)) if (there.has(row)) hits++;
  }
  return hits / (QUERIES * k);
}

/**
 * Queries per second of processor time: unlike the clock's, it tells the same when other programs keep the cores busy. The
 * engines take turns, so that whatever else slows the machine, caches and memory, meets all of them alike.
 */
async function rates(engines: readonly NeighbourEngine[], k: number, batch: number): Promise<number[]> {
  const done = engines.map(() => 0);
  const seconds = engines.map(() => 0);
  for (let turn = 0; turn < TURNS; turn++)
    for (const [i, engine] of engines.entries()) {
      const until = performance.now() + (trial.seconds * 1000) / TURNS;
      const before = process.cpuUsage();
      do {
        const begin = done[i]! % QUERIES;
        await engine.nearestSimilarities(queries.slice(begin, begin + batch), k);
        done[i]! += batch;
      } while (performance.now() < until);
      const { user, system } = process.cpuUsage(before);
      seconds[i]! += (user + system) / 1e6;
    }
  return done.map((count, i) => count / seconds[i]!);
}

/** The resident set once what is no longer used has been given back. */
async function residentMegabytes(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return process.memoryUsage().rss / 1e6;
}
