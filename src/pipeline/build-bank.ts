import {
  type BankStore,
  isDrawn,
  type Manifest,
  type PublishOptions,
  publishBank,
  publishedBy,
} from '../bank/index.js';
import { FoilbankError } from '../errors.js';
import type { InferencePool } from '../onnx/index.js';
import { operatorId } from '../scoring/index.js';
import { inputsOf, inService, partFolder, sameInService } from './build-inputs.js';
import { type BuildOptions, resolveBuildOptions } from './build-options.js';
import { type Delegate, ensureParts, type OnSeeds, rangesOf } from './build-parts.js';
import { type CalibratedFaces, calibrateFaces, storedCalibration } from './calibrate-faces.js';
import { CandidateMaker, type Networks } from './candidate-maker.js';
import { type GateResult, indexCandidates } from './index-bank.js';
import { learnedAgain, staysLearned } from './learn-bank.js';
import { measureFaces, thresholdsAmong } from './measure-faces.js';
import { type Selected, selectCandidates } from './select.js';
import { sheetOfSeeds } from './sheet.js';
import { chosenByPhotos, tuningThatHolds } from './tuned.js';

export interface BuildRequest {
  readonly pool: InferencePool;
  readonly store: BankStore;
  readonly bank: string;
  readonly networks: Networks;
  readonly options: Partial<BuildOptions>;
  /** A maker of these networks that is open already. */
  readonly maker?: CandidateMaker;
  /** Which draw of seeds this is, for the manifest. Default 0. */
  readonly epoch?: number;
  /** First guess of how many chunks it takes. Default: as if every seed would pass. */
  readonly chunks?: number;
  /** Default: parts are made in this process. */
  readonly delegate?: Delegate | undefined;
  /** Further gates, measured before publishing. */
  readonly gates?: (built: Built) => Promise<readonly GateResult[]>;
  /** Told all that was measured, before a gate that failed is thrown. */
  readonly onGates?: ((results: readonly GateResult[]) => void) | undefined;
  /** Makes repeated tries of one build one publication. */
  readonly attempt?: PublishOptions['attempt'];
  /** Publishes a new version although the one in service has the same inputs, or cannot be read. */
  readonly force?: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnSeeds | undefined;
  /** Called at the beginning of each step after the faces. */
  readonly onStep?: ((step: BuildStep) => void) | undefined;
}

export type BuildStep = 'indexing' | 'measuring' | 'picturing' | 'learning' | 'publishing';

/** What is about to be published. */
export interface Built extends Selected {
  readonly maker: CandidateMaker;
  readonly options: BuildOptions;
  readonly inputs: Manifest['inputs'];
  /** Where the bank in service is calibrated, what moved these candidates too; `options` then has the calibration's size, K and operator. */
  readonly calibration?: CalibratedFaces | undefined;
}

export interface BuildResult {
  readonly manifest: Manifest;
  /** false when the version in service has the same inputs already. */
  readonly built: boolean;
}

/**
 * Builds a support bank and puts it into service: generate → gate → index → publish. What was generated before an
 * interruption is kept in the store and taken up by the same request.
 *
 * @throws FoilbankError FB_OPTION_INVALID, FB_YIELD_TOO_LOW, FB_GATE_FAILED, FB_CANCELLED, and what networks and store throw
 */
export async function buildBank(request: BuildRequest): Promise<BuildResult> {
  const { pool, store, bank, networks, signal, epoch = 0 } = request;
  const { generator, embedder } = networks;
  const chosen = chosenByPhotos(await inService(store, bank, request.force), networks);
  const options = resolveBuildOptions({ ...chosen, ...request.options }, generator.card, embedder.card);
  const inputs = inputsOf(networks, options, epoch);
  const done = request.attempt && (await publishedBy(store, bank, request.attempt));
  if (done) {
    // A try that was broken off between publishing and clearing.
    const { seeds } = done.inputs;
    await partFolder(store, bank, inputs).clear(
      rangesOf(options, Math.ceil(seeds.count / options.chunkSize)),
    );
    return { manifest: done, built: true };
  }
  const same = request.force ? undefined : await sameInService(store, bank, inputs, options);
  if (same) return { manifest: same, built: false };
  const maker = request.maker ?? (await CandidateMaker.open(pool, networks));
  const { delegate, onProgress } = request;
  const source = { pool, store, bank, maker, inputs, options, delegate, signal, onProgress };
  let chunks = request.chunks ?? Math.ceil(options.size / options.chunkSize);
  for (;;) {
    const { parts, ranges } = await ensureParts(source, chunks);
    const selected = await selectCandidates(pool, parts, ranges, options, inputs.embedder.dimension, signal);
    if ('missing' in selected) for (const range of selected.missing) await parts.remove(range);
    else if ('chunks' in selected) chunks = selected.chunks;
    else {
      const manifest = await publish(
        request,
        await calibrated(request, { ...selected, maker, options, inputs }),
      );
      await parts.clear(ranges);
      return { manifest, built: true };
    }
  }
}

async function publish(request: BuildRequest, built: Built): Promise<Manifest> {
  const { pool, store, bank, signal, attempt, onStep } = request;
  const { candidates, generated, rejected, maker, options, inputs, calibration } = built;
  onStep?.('indexing');
  const index = await indexCandidates(pool, candidates, options, signal);
  try {
    if (request.gates) onStep?.('measuring');
    const gateResults = [yieldGate(built), ...index.gates, ...((await request.gates?.(built)) ?? [])];
    request.onGates?.(gateResults);
    const failed = gateResults.find((gate) => !gate.passed);
    if (failed) {
      const { gate, value, limit } = failed;
      throw new FoilbankError('FB_GATE_FAILED', { bank, gate, value: Number(value.toPrecision(3)), limit });
    }
    onStep?.('picturing');
    const shown = candidates.seeds.filter((seed) => !isDrawn(seed)).subarray(0, 96);
    const preview = await sheetOfSeeds(pool, maker.generator, shown, options.psi);
    const service = await inService(store, bank, request.force);
    const tuning = tuningThatHolds(service, { inputs, ...options });
    if (staysLearned(service, built)) onStep?.('learning');
    const learned = await learnedAgain(pool, service, built, signal);
    if (!request.gates) onStep?.('measuring');
    const { neighbours } = options;
    const measured = await measureFaces(pool, candidates, inputs, neighbours, signal);
    onStep?.('publishing');
    return await publishBank(
      store,
      bank,
      {
        candidates,
        inputs: { ...inputs, seeds: { ...inputs.seeds, count: generated } },
        counts: { generated, accepted: candidates.seeds.length, rejected, ...calibration?.counts },
        parameters: {
          operator: operatorId(options.operator),
          ...{ neighbours, lambda: options.lambda, typical: measured.stats.typical },
          ...{ engine: index.engine, index: index.parameters },
          calibration: calibration
            ? { ...calibration.described, thresholds: thresholdsAmong(measured, options, signal) }
            : { kind: 'none' },
          ...(tuning ? { tuning } : {}),
          ...learned?.parameters,
        },
        gateResults,
        files: {
          ...calibration?.files,
          ...learned?.files,
          'preview.png': preview,
          ...(index.file ? { 'index.hnsw': { localFile: index.file } } : {}),
        },
      },
      { ...(signal ? { signal } : {}), ...(attempt ? { attempt } : {}) },
    );
  } finally {
    await index.discard();
  }
}

/** A bank that is calibrated stays so: new faces are moved to where the old ones were. Another embedder has other places. */
async function calibrated(request: BuildRequest, built: Built): Promise<Built> {
  const { pool, store, bank, signal } = request;
  const stored = await storedCalibration(store, bank, built.inputs.embedder, request.force);
  if (!stored) return built;
  const calibration = await calibrateFaces(pool, built.candidates, stored, {
    ceiling: built.options.duplicateCeiling,
    signal,
  });
  const { candidates, neighbours } = calibration;
  const options = { ...built.options, ...stored.operator, size: candidates.seeds.length, neighbours };
  return { ...built, candidates, options, calibration };
}

function yieldGate({ generated, rejected, options }: Built): GateResult {
  const value = (generated - rejected.undetected) / generated;
  const { minimumYield: limit } = options;
  return { gate: 'detectionYield', passed: value >= limit, value, limit };
}
