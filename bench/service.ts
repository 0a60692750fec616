import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { emptyTable, openStore, publishBank } from '../src/bank/index.js';
import { chooseEngine, HnswEngine, resolveHnswParameters } from '../src/neighbours/index.js';
import { InferencePool } from '../src/onnx/index.js';
import { openSupport } from '../src/pipeline/index.js';
import { bunchedVectors } from './support/bunched-vectors.js';
import { h2load, hasH2load } from './support/h2load.js';
import { type InProcess, measureLoad } from './support/service-load.js';
import type { Load, Loaded } from './support/service-load-trial.js';
import type { Peer } from './support/service-peer-trial.js';
import { measureSoak } from './support/service-soak.js';
import { measureStart, startServe } from './support/service-start.js';

const OPTIONS = {
  candidates: { type: 'string', default: '20000' },
  dimension: { type: 'string', default: '128' },
  k: { type: 'string', default: '16,512' },
  connections: { type: 'string', default: '64' },
  seconds: { type: 'string', default: '3' },
  /** Under load everything is measured so often by turns; medians are told. */
  rounds: { type: 'string', default: '3' },
  only: { type: 'string', default: 'start,load' },
  starts: { type: 'string', default: '5' },
  minutes: { type: 'string', default: '15' },
} as const;

/**
 * How soon it serves and what memory it takes (`--only start`), and under load (`--only load`): `EstimateDiscrepancy` over gRPC
 * and JSON, one embedding a request and 256, against a plain handler that calls hnswlib-node at the same error of r, against
 * handlers that do nothing (what the protocol costs), and against the engine in this process. The load generator is a process of
 * its own; figures are ratios within one run. `--only soak` holds it at four fifths of its load for `--minutes`, and swaps versions.
 */
export async function benchService(args: readonly string[]): Promise<void> {
  const given = parseArgs({ args: [...args], options: OPTIONS }).values;
  const [candidates, dimension, connections, seconds] = [
    given.candidates,
    given.dimension,
    given.connections,
    given.seconds,
  ].map(Number) as [number, number, number, number];
  const folder = mkdtempSync(join(tmpdir(), 'foilbank-bench-'));
  const small = mkdtempSync(join(tmpdir(), 'foilbank-bench-'));
  const children: ChildProcess[] = [];
  try {
    const ks = given.k.split(',').map(Number);
    const peerUrl = (kind: Peer['kind']) => {
      const peer = fork(entry('service-peer-trial'), [
        JSON.stringify({ kind, candidates, dimension, k: ks } satisfies Peer),
      ]);
      children.push(peer);
      return new Promise<string>((resolve) => peer.once('message', (m) => resolve(String(m))));
    };
    // Of a large bank its index takes minutes, as the service's own may.
    const plainReady = given.only.includes('load') ? peerUrl('plain') : undefined;
    await publish(folder, candidates, dimension, ks[0]!);
    await publish(small, 1000, dimension, 16);
    if (given.only.includes('start'))
      await measureStart(folder, small, { rows: candidates, dimension, starts: Number(given.starts) });
    if (!/load|soak/.test(given.only)) return;
    const service = await startServe(folder);
    if (given.only.includes('soak')) {
      children.push(service.child);
      const k = ks[0]!;
      const again = () => publish(folder, candidates, dimension, k);
      const common = { dimension, k, connections, minutes: Number(given.minutes) };
      return await measureSoak({ ...common, service, load, publish: again });
    }
    children.push(service.child);
    const plainUrl = await plainReady!;
    const emptyUrl = await peerUrl('empty');
    const grpcJsUrl = await peerUrl('grpc-js');
    const urls = { plain: plainUrl, empty: emptyUrl, grpcJs: grpcJsUrl, service: service.url };
    const engine = (k: number, rows: number) => inProcess(folder, { dimension, k, rows, seconds });
    const common = { dimension, connections, seconds, rounds: Number(given.rounds) };
    const light = hasH2load();
    for (const k of ks) await measureLoad({ ...common, k, urls, engine, generate: light ? h2load : load });
    if (!light)
      console.log(
        "(the load was Node's, a third of what was measured: h2load of Debian's nghttp2-client takes less)",
      );
  } finally {
    for (const child of children) child.kill();
    for (const each of [folder, small]) rmSync(each, { recursive: true });
  }
}

const entry = (name: string) => fileURLToPath(new URL(`./support/${name}.js`, import.meta.url));

/** A bank with the engine that a build would choose for K. */
async function publish(folder: string, rows: number, dimension: number, k: number): Promise<void> {
  const candidates = emptyTable(rows, dimension);
  const vectors = bunchedVectors({ rows, dimension, seed: 1 });
  candidates.embeddings.set(vectors.data);
  for (let row = 0; row < rows; row++) candidates.seeds[row] = row;
  const network = (c: string) => ({
    ...{ name: c, sha256: c.repeat(64), cardSha256: c.repeat(64), licence: 'CC0-1.0' },
  });
  const engine = chooseEngine({ candidates: rows, k });
  const index = engine === 'hnsw' ? resolveHnswParameters({}) : {};
  const localFile = join(folder, 'index.hnsw');
  if (engine === 'hnsw') {
    const hnsw = await HnswEngine.build({ candidates: vectors, ...resolveHnswParameters({}) });
    await hnsw.save(localFile);
    await hnsw.close();
  }
  await publishBank(openStore(folder), 'default', {
    candidates,
    files: engine === 'hnsw' ? { 'index.hnsw': { localFile } } : {},
    inputs: {
      generator: network('a'),
      embedder: { ...network('b'), dimension, samePersonCeiling: 1 },
      psi: 1,
      seeds: { epoch: 0, first: 0, count: rows },
      chunkSize: 512,
      gates: { minimumScore: 0, duplicateCeiling: 1 },
    },
    counts: { generated: rows, accepted: rows, rejected: {} },
    parameters: {
      ...{ operator: 'standardise/1', neighbours: k, lambda: 1, engine, index: { ...index } },
      calibration: { kind: 'none' },
    },
    gateResults: [],
  });
}

/** What the library's engine answers in ready batches. */
async function inProcess(
  folder: string,
  { dimension, k, rows, seconds }: { dimension: number; k: number; rows: number; seconds: number },
): Promise<InProcess> {
  const pool = new InferencePool({ threads: 1, intraOpNumThreads: 2 });
  const { search } = await openSupport(pool, openStore(folder), 'default');
  const queries = bunchedVectors({ rows, dimension, seed: 2 });
  const find = () => search.find(queries, { k, similaritiesOnly: true });
  await find();
  let done = 0;
  const used = process.cpuUsage();
  const started = performance.now();
  const one = async () => {
    while (performance.now() - started < 1000 * seconds) {
      await find();
      done += rows;
    }
  };
  await Promise.all([one(), one()]);
  const milliseconds = performance.now() - started;
  const { user, system } = process.cpuUsage(used);
  await pool.close();
  return { rate: done / (milliseconds / 1000), cores: (user + system) / 1000 / milliseconds };
}

function load(trial: Load): Promise<Loaded> {
  const child = fork(entry('service-load-trial'), [JSON.stringify(trial)]);
  return new Promise((resolve, reject) => {
    child.once('message', (result) => resolve(result as Loaded));
    child.once('exit', (code) => reject(new Error(`the load generator ended with ${code}`)));
  });
}
