import { parentPort, workerData } from 'node:worker_threads';
import { openStore } from '../bank/index.js';
import { type LearnedEstimator, VirtualEstimator } from '../discrepancy/index.js';
import { FoilbankError } from '../errors.js';
import type { SupportSearch } from '../neighbours/index.js';
import { InferencePool, packError } from '../onnx/index.js';
import { openLearned, openSupport } from '../pipeline/index.js';
import { UnitMatrix } from '../vectors/index.js';
import { type Coverage, coverageOf, isOutside } from './coverage.js';
import type { Answer, EngineFacts, EngineSetup, FromEngine, Question, ToEngine } from './engine-messages.js';

interface Opened {
  readonly facts: EngineFacts;
  readonly coverage: Coverage;
  readonly search: SupportSearch;
  readonly learned: LearnedEstimator | undefined;
  readonly seeds: Float64Array;
}

const { store, bank, version, threads } = workerData as EngineSetup;
// One thread that may use every core: the candidates lie in memory once.
const pool = new InferencePool({ threads: 1, intraOpNumThreads: Math.min(64, threads) });

/** What is kept holds no reference to the candidates' embeddings: the search has its own copy of them. */
async function open(): Promise<Opened> {
  const support = await openSupport(pool, openStore(store), bank, { version });
  const { manifest, candidates } = support.bank;
  const failed = manifest.gateResults.find((gate) => !gate.passed);
  if (failed) {
    const { gate, value, limit } = failed;
    throw new FoilbankError('FB_GATE_FAILED', { bank, gate, value: Number(value.toPrecision(3)), limit });
  }
  const vectors = UnitMatrix.adopt(candidates.embeddings, candidates.dimension, `bank ${bank}`);
  const coverage = coverageOf(vectors);
  // The first searches pay for memory and threads: not a client's.
  await support.estimator.estimate(vectors.slice(0, Math.min(vectors.rows, 64)));
  return {
    facts: { manifest, warnings: support.warnings, coverageFloor: coverage.floor },
    coverage,
    search: support.search,
    learned:
      manifest.parameters.learned?.neighbours === support.virtual.k
        ? await openLearned(pool, support.bank, support.virtual)
        : undefined,
    seeds: candidates.seeds,
  };
}

async function answer({ coverage, search, learned, seeds }: Opened, question: Question): Promise<Answer> {
  const { k, exclude, neighbours } = question;
  const queries = UnitMatrix.adopt(question.queries, search.dimension);
  const asked = question.learned && learned ? learned : new VirtualEstimator(search, k);
  const estimate = await asked.estimate(queries, {
    exclude: exclude.length > 0 ? exclude.map((identities) => ({ identities })) : {},
    neighbours,
  });
  const sets = estimate.neighbours ?? [];
  const total = sets.reduce((sum, set) => sum + set.rows.length, 0);
  const found = { seeds: new Float64Array(total), similarities: new Float32Array(total) };
  let at = 0;
  for (const { rows, similarities } of sets) {
    found.similarities.set(similarities, at);
    for (const row of rows) found.seeds[at++] = seeds[row]!;
  }
  const { estimator, r, sigma, n, excluded, aboveCeiling } = estimate;
  const outside = Uint8Array.from(r, (_, i) => (isOutside(coverage, queries.row(i)) ? 1 : 0));
  const { lookedUp = new Uint8Array(queries.rows) } = estimate;
  return { estimator, r, sigma, n, excluded, aboveCeiling, outside, lookedUp, ...found };
}

const port = parentPort;
if (!port) throw new Error('engine-thread runs as a worker thread only');
const post = (message: FromEngine, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);

try {
  const opened = await open();
  port.on('message', (message: ToEngine) => {
    if (message.kind === 'close') {
      void pool.close().then(() => port.close());
      return;
    }
    const { task, question } = message;
    answer(opened, question).then(
      (result) =>
        post(
          { kind: 'answered', task, answer: result },
          Object.values(result).flatMap((v) =>
            ArrayBuffer.isView(v) && v.byteLength > 4096 ? [v.buffer as ArrayBuffer] : [],
          ),
        ),
      (error: unknown) => post({ kind: 'failed', task, error: packError(error) }),
    );
  });
  post({ kind: 'opened', facts: opened.facts });
} catch (error) {
  post({ kind: 'unopened', error: packError(error) });
  await pool.close();
}
