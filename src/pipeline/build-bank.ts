import { isDeepStrictEqual } from 'node:util';
import { type BankStore, type Manifest, PartFolder, publishBank, showBank } from '../bank/index.js';
import { FoilbankError, throwIfCancelled } from '../errors.js';
import { fingerprint, type InferencePool, type Model } from '../onnx/index.js';
import { operatorId } from '../scoring/index.js';
import { type BuildOptions, resolveBuildOptions } from './build-options.js';
import { CandidateMaker, type Networks } from './candidate-maker.js';
import { gatherCandidates } from './gather.js';
import { indexCandidates } from './index-bank.js';
import type { Progress } from './progress.js';
import { sheetOfSeeds } from './sheet.js';

export interface BuildRequest {
  readonly pool: InferencePool;
  readonly store: BankStore;
  readonly bank: string;
  readonly networks: Networks;
  readonly options: Partial<BuildOptions>;
  /** Publishes a new version although the one in service has the same inputs. */
  readonly force?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress, accepted: number) => void;
  /** Called at the beginning of each step after the faces. */
  readonly onStep?: (step: 'indexing' | 'picturing' | 'publishing') => void;
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
  const { pool, store, bank, networks, signal } = request;
  const { generator, embedder } = networks;
  const options = resolveBuildOptions(request.options, generator.card, embedder.card);
  const inputs = inputsOf(networks, options);
  const same = request.force ? undefined : await sameInService(store, bank, inputs, options);
  if (same) return { manifest: same, built: false };
  const parts = partFolder(store, bank, inputs);
  const maker = await CandidateMaker.open(pool, networks);
  const gathered = await gatherCandidates({
    ...{ pool, maker, parts, options, signal },
    dimension: embedder.card.output.dimension,
    onProgress: request.onProgress,
  });
  throwIfCancelled(signal, 'the build');
  request.onStep?.('indexing');
  const index = await indexCandidates(pool, gathered.candidates, options, signal);
  try {
    const failed = index.gates.find((gate) => !gate.passed);
    if (failed) {
      const { gate, value, limit } = failed;
      throw new FoilbankError('FB_GATE_FAILED', { bank, gate, value: Number(value.toPrecision(3)), limit });
    }
    request.onStep?.('picturing');
    const preview = await sheetOfSeeds(
      pool,
      maker.generator,
      gathered.candidates.seeds.subarray(0, 96),
      options.psi,
    );
    request.onStep?.('publishing');
    const { generated, rejected, candidates } = gathered;
    const manifest = await publishBank(
      store,
      bank,
      {
        candidates,
        inputs: { ...inputs, seeds: { ...inputs.seeds, count: generated } },
        counts: { generated, accepted: candidates.seeds.length, rejected },
        parameters: {
          ...{
            operator: operatorId(options.operator),
            neighbours: options.neighbours,
            lambda: options.lambda,
          },
          ...{ engine: index.engine, index: index.parameters, calibration: { kind: 'none' } },
        },
        gateResults: [yieldGate(generated, rejected.undetected, options), ...index.gates],
        files: { 'preview.png': preview, ...(index.file ? { 'index.hnsw': { localFile: index.file } } : {}) },
      },
      signal ? { signal } : {},
    );
    await parts.clear();
    return { manifest, built: true };
  } finally {
    await index.discard();
  }
}

type Inputs = Manifest['inputs'];

const networkOf = ({ card }: Model) => ({
  name: card.name,
  sha256: card.sha256,
  cardSha256: fingerprint(card),
  licence: card.licence,
});

function inputsOf({ generator, embedder, detector }: Networks, options: BuildOptions): Inputs {
  const { psi, firstSeed, size, chunkSize, minimumScore, duplicateCeiling } = options;
  const { dimension } = embedder.card.output;
  const { samePersonCeiling } = embedder.card;
  return {
    generator: networkOf(generator),
    embedder: { ...networkOf(embedder), dimension, samePersonCeiling },
    detector: networkOf(detector),
    psi,
    seeds: { epoch: 0, first: firstSeed, count: size },
    chunkSize,
    gates: { minimumScore, duplicateCeiling },
  };
}

function partFolder(store: BankStore, bank: string, inputs: Inputs): PartFolder {
  const { generator, embedder, detector, psi, chunkSize, gates } = inputs;
  const recipe = {
    generatorSha256: generator.cardSha256,
    embedderSha256: embedder.cardSha256,
    ...(detector ? { detectorSha256: detector.cardSha256 } : {}),
    ...{ psi, chunkSize, gates },
  };
  return new PartFolder(store, bank, recipe, embedder.dimension);
}

/** The manifest in service when a build would give the same candidates and parameters again. */
async function sameInService(
  store: BankStore,
  bank: string,
  inputs: Inputs,
  options: BuildOptions,
): Promise<Manifest | undefined> {
  const manifest = await showBank(store, bank).catch((error: unknown) => {
    if (error instanceof FoilbankError && error.code === 'FB_BANK_NOT_FOUND') return undefined;
    throw error;
  });
  if (!manifest) return undefined;
  const { seeds, ...rest } = manifest.inputs;
  const { seeds: wantedSeeds, ...wanted } = inputs;
  const { parameters, counts } = manifest;
  const same =
    isDeepStrictEqual(rest, wanted) &&
    seeds.first === wantedSeeds.first &&
    counts.accepted === options.size &&
    parameters.neighbours === options.neighbours &&
    parameters.lambda === options.lambda &&
    parameters.operator === operatorId(options.operator) &&
    (options.engine === 'auto' || parameters.engine === options.engine);
  return same ? manifest : undefined;
}

function yieldGate(generated: number, undetected: number, options: BuildOptions) {
  const value = (generated - undetected) / generated;
  return {
    gate: 'detectionYield',
    passed: value >= options.minimumYield,
    value,
    limit: options.minimumYield,
  };
}
