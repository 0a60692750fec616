import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CandidateTable } from '../bank/index.js';
import {
  chooseEngine,
  ExactEngine,
  HnswEngine,
  type NeighbourEngine,
  resolveHnswParameters,
} from '../neighbours/index.js';
import type { InferencePool } from '../onnx/index.js';
import { spreadOf, UnitMatrix } from '../vectors/index.js';
import type { BuildOptions } from './build-options.js';

/** What a gate measured, as the manifest keeps it. */
export interface GateResult {
  readonly gate: string;
  readonly passed: boolean;
  readonly value: number;
  readonly limit: number;
}

export interface IndexedBank {
  readonly engine: 'exact' | 'hnsw';
  readonly parameters: Readonly<Record<string, number>>;
  readonly gates: readonly GateResult[];
  /** The index's file in a folder of its own, which `discard` removes; none for exact search, which needs none. */
  readonly file: string | undefined;
  discard(): Promise<void>;
}

/** Probes that an approximate index is measured with. */
const PROBES = 256;
/** Share of the true K nearest that must be found, and mean error of r in units of the spread of r over the probes. */
const MINIMUM_RECALL = 0.9;
const MAXIMUM_ERROR_OF_R = 0.05;

/** Chooses and builds the index of a bank's candidates, and measures it against exact search. */
export async function indexCandidates(
  pool: InferencePool,
  candidates: CandidateTable,
  options: Pick<BuildOptions, 'engine' | 'neighbours'>,
  signal?: AbortSignal,
): Promise<IndexedBank> {
  const vectors = UnitMatrix.adopt(candidates.embeddings, candidates.dimension, 'candidates');
  const engine =
    options.engine === 'auto'
      ? chooseEngine({ candidates: vectors.rows, k: options.neighbours })
      : options.engine;
  if (engine === 'exact')
    return { engine, parameters: {}, gates: [], file: undefined, discard: async () => {} };
  const parameters = resolveHnswParameters({});
  const hnsw = await HnswEngine.build({ candidates: vectors, ...parameters, ...(signal ? { signal } : {}) });
  const folder = await mkdtemp(join(tmpdir(), 'foilbank-index-'));
  const discard = () => rm(folder, { recursive: true, force: true });
  try {
    const file = join(folder, 'index.hnsw');
    await hnsw.save(file);
    const gates = await measureIndex(pool, hnsw, vectors, options.neighbours);
    return { engine, parameters: { ...parameters }, gates, file, discard };
  } catch (error) {
    await discard();
    throw error;
  } finally {
    await hnsw.close();
  }
}

/** Faces halfway between two candidates: in the bank's own distribution, but not in the bank, where each would find itself. */
function midpoints(vectors: UnitMatrix, count: number): UnitMatrix {
  const { rows, dimension } = vectors;
  const sums = new Float32Array(Math.min(count, rows) * dimension);
  const step = Math.max(1, Math.floor(rows / count));
  for (let i = 0; i < sums.length / dimension; i++) {
    const [a, b] = [vectors.row(i * step), vectors.row((i * step + 1) % rows)];
    for (let j = 0; j < dimension; j++) sums[i * dimension + j] = (a[j] as number) + (b[j] as number);
  }
  return UnitMatrix.normalise(sums, dimension, 'probe');
}

/** Recall at K and the error of r, against exact search. */
async function measureIndex(
  pool: InferencePool,
  index: NeighbourEngine,
  vectors: UnitMatrix,
  k: number,
): Promise<GateResult[]> {
  const probes = midpoints(vectors, PROBES);
  const exact = await ExactEngine.create({ candidates: vectors, pool });
  try {
    const [found, truth] = [await index.nearest(probes, k), await exact.nearest(probes, k)];
    let hits = 0;
    const [r, errors]: [number[], number[]] = [[], []];
    for (let probe = 0; probe < probes.rows; probe++) {
      const [from, to] = [probe * truth.width, (probe + 1) * truth.width];
      const there = new Set(found.rows.subarray(from, to));
      for (const row of truth.rows.subarray(from, to)) if (there.has(row)) hits++;
      const mean = spreadOf(truth.similarities.subarray(from, to)).mean;
      r.push(mean);
      errors.push(Math.abs(spreadOf(found.similarities.subarray(from, to)).mean - mean));
    }
    const recall = hits / (probes.rows * truth.width);
    const spread = spreadOf(Float32Array.from(r)).deviation;
    const error = spreadOf(Float32Array.from(errors)).mean / Math.max(spread, 1e-9);
    return [
      { gate: 'indexRecall', passed: recall >= MINIMUM_RECALL, value: recall, limit: MINIMUM_RECALL },
      // Written so that NaN, which an index that found too few gives, does not pass.
      { gate: 'indexErrorOfR', passed: error <= MAXIMUM_ERROR_OF_R, value: error, limit: MAXIMUM_ERROR_OF_R },
    ];
  } finally {
    await exact.close();
  }
}
