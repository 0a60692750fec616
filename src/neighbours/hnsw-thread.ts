import { parentPort, workerData } from 'node:worker_threads';
import hnswlib from 'hnswlib-node';
import { reasonOf } from '../errors.js';
import type {
  FromHnswThread,
  HnswFound,
  HnswQuestion,
  HnswThreadData,
  ToHnswThread,
} from './hnsw-messages.js';

/**
 * The thread that owns an hnswlib index: its calls are synchronous and long. hnswlib checks nothing, so whatever arrives here
 * was checked before: vectors are finite and of the right length, files carry the hash of their manifest.
 */
const PROGRESS_EVERY = 1000;

type Question<K extends HnswQuestion['kind']> = Extract<HnswQuestion, { kind: K }>;

const { stop } = workerData as HnswThreadData;

/** Long work looks here between two calls of the library: a thread that is torn out of one takes the process with it. */
function goOn(): void {
  if (Atomics.load(stop, 0) === 1) throw new Error('it is no longer wanted');
}

let index: hnswlib.HierarchicalNSW | undefined;
let dimension = 0;

function build(message: Question<'build'>): void {
  dimension = message.dimension;
  const count = message.candidates.length / dimension;
  const { connections: m, efConstruction, seed: randomSeed } = message;
  index = new hnswlib.HierarchicalNSW('ip', dimension);
  index.initIndex({ maxElements: count, m, efConstruction, randomSeed });
  for (let row = 0; row < count; row++) {
    goOn();
    index.addPoint(vector(message.candidates, row), row);
    if ((row + 1) % PROGRESS_EVERY === 0) post({ kind: 'progress', done: row + 1 });
  }
}

function load(message: Question<'load'>): void {
  dimension = message.dimension;
  index = new hnswlib.HierarchicalNSW('ip', dimension);
  index.readIndexSync(message.file);
}

function search({ queries, width, ef, wantsRows }: Question<'search'>): HnswFound {
  const opened = indexOf();
  opened.setEf(ef);
  const count = queries.length / dimension;
  const similarities = new Float32Array(count * width).fill(Number.NaN);
  const rows = new Int32Array(wantsRows ? count * width : 0).fill(-1);
  for (let q = 0; q < count; q++) {
    goOn();
    const { distances, neighbors } = opened.searchKnn(vector(queries, q), width);
    settleTies(distances, neighbors);
    for (let i = 0; i < neighbors.length; i++) {
      similarities[q * width + i] = 1 - distances[i]!;
      if (wantsRows) rows[q * width + i] = neighbors[i]!;
    }
  }
  return { similarities, rows };
}

/** hnswlib returns ascending distances; of equal ones the lower row comes first here. */
function settleTies(distances: readonly number[], rows: number[]): void {
  for (let begin = 0, end = 1; begin < rows.length; begin = end++) {
    while (end < rows.length && distances[end] === distances[begin]) end++;
    if (end - begin < 2) continue;
    const tied = rows.slice(begin, end).sort((a, b) => a - b);
    rows.splice(begin, tied.length, ...tied);
  }
}

/** hnswlib-node takes plain arrays only. */
function vector(values: Float32Array, row: number): number[] {
  return Array.from(values.subarray(row * dimension, (row + 1) * dimension));
}

function indexOf(): hnswlib.HierarchicalNSW {
  if (!index) throw new Error('no index is open');
  return index;
}

function answer(question: HnswQuestion): HnswFound | undefined {
  switch (question.kind) {
    case 'build':
      build(question);
      return undefined;
    case 'load':
      load(question);
      return undefined;
    case 'save':
      indexOf().writeIndexSync(question.file);
      return undefined;
    case 'search':
      return search(question);
  }
}

const port = parentPort;
if (!port) throw new Error('hnsw-thread runs as a worker thread only');
const post = (message: FromHnswThread, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);
port.on('message', ({ task, question }: ToHnswThread) => {
  if (!question) return port.close();
  try {
    goOn();
    const found = answer(question);
    const transfer = found ? [found.similarities.buffer, found.rows.buffer] : [];
    post({ kind: 'done', task, found }, transfer as ArrayBuffer[]);
  } catch (error) {
    post({ kind: 'failed', task, reason: reasonOf(error) });
  }
});
