import { openStore } from '../bank/index.js';
import { type LearnedEstimator, openLearned, openSupport, VirtualEstimator } from '../discrepancy/index.js';
import { FoilbankError } from '../errors.js';
import type { SupportSearch } from '../neighbours/index.js';
import type { InferencePool } from '../onnx/index.js';
import { UnitMatrix } from '../vectors/index.js';
import { type Coverage, coverageOf, outsideOf } from './coverage.js';
import type { Answer, EngineFacts, EngineSetup, Question } from './engine-messages.js';

/** A bank version in memory, verified and warm. */
export interface LoadedVersion {
  readonly facts: EngineFacts;
  readonly coverage: Coverage;
  readonly search: SupportSearch;
  readonly learned: LearnedEstimator | undefined;
  readonly seeds: Float64Array;
  close(): Promise<void>;
}

/** Queries of the search that warms it: the largest batch. */
const WARMING = 64;

/**
 * The candidates' embeddings are kept once, by the search.
 *
 * @param pool of one thread
 * @throws FoilbankError of `openSupport`, FB_GATE_FAILED
 */
export async function loadVersion(pool: InferencePool, setup: EngineSetup): Promise<LoadedVersion> {
  const { store, bank, version } = setup;
  let coverage: Coverage | undefined;
  let warming: UnitMatrix | undefined;
  const support = await openSupport(pool, openStore(store), bank, {
    version,
    look: (candidates) => {
      coverage = coverageOf(candidates);
      warming = candidates.gather(Array.from({ length: Math.min(candidates.rows, WARMING) }, (_, i) => i));
    },
  });
  const { manifest, candidates } = support.bank;
  const failed = manifest.gateResults.find((gate) => !gate.passed);
  if (failed) {
    const { gate, value, limit } = failed;
    throw new FoilbankError('FB_GATE_FAILED', { bank, gate, value: Number(value.toPrecision(3)), limit });
  }
  // The first searches pay for memory and threads: not a client's.
  await support.estimator.estimate(warming!);
  const { exactAbove } = support.search;
  if (Number.isFinite(exactAbove))
    await support.search.find(warming!, { k: exactAbove + 1, similaritiesOnly: true });
  const learned =
    manifest.parameters.learned?.neighbours === support.virtual.k
      ? await openLearned(pool, support.bank, support.virtual)
      : undefined;
  return {
    facts: { manifest, warnings: support.warnings, coverageFloor: coverage!.floor },
    ...{ coverage: coverage!, search: support.search, learned, seeds: candidates.seeds },
    close: async () => {
      await Promise.all([support.close(), learned?.close()]);
    },
  };
}

/** r, σ and on demand the support sets of a batch. @throws FoilbankError FB_EMBEDDING_…, FB_OPTION_INVALID */
export async function answerOf(
  { coverage, search, learned, seeds }: LoadedVersion,
  question: Question,
): Promise<Answer> {
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
  const outside = outsideOf(coverage, queries);
  const { lookedUp = new Uint8Array(queries.rows) } = estimate;
  return { estimator, r, sigma, n, excluded, aboveCeiling, outside, lookedUp, ...found };
}
