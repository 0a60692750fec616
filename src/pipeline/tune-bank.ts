import { type BankStore, type Manifest, publishBank } from '../bank/index.js';
import { openSupport, type Support, virtualWithTypicals } from '../discrepancy/index.js';
import {
  checkIdentities,
  identitiesOf,
  sizesToTry,
  type Tuning,
  type TuningOptions,
  tuneAlignment,
} from '../evaluation/index.js';
import type { InferencePool } from '../onnx/index.js';
import { operatorId } from '../scoring/index.js';
import type { UnitMatrix } from '../vectors/index.js';
import { indexCandidates } from './index-bank.js';
import { measureFaces, thresholdsAmong } from './measure-faces.js';

export interface TuneRequest extends Omit<TuningOptions, 'onProgress'> {
  readonly pool: InferencePool;
  readonly store: BankStore;
  readonly bank: string;
  /** Embeddings of labelled photos by the bank's own embedder. [n, d] */
  readonly embeddings: UnitMatrix;
  /** Who each of them shows. */
  readonly labels: readonly string[];
  /** Publishes nothing. */
  readonly dryRun?: boolean;
  onProgress?(step: 'looking up' | 'scoring pairs', done: number, total: number): void;
  readonly onStep?: (step: 'indexing' | 'measuring' | 'publishing') => void;
}

export interface TuneResult {
  readonly tuning: Tuning;
  /** The version that says so; undefined of a dry run. */
  readonly manifest: Manifest | undefined;
  /** What the version that was asked recommends. */
  readonly before: Manifest['parameters'];
}

/**
 * Chooses the operator, K and λ that a bank recommends by labelled photos, and publishes them with the figures as a new version of the
 * same candidates. What was learned of the bank is tried at its K beside the lookup. Where no alignment is better than the raw similarity
 * with confidence, the new version recommends `none`.
 *
 * @throws FoilbankError those of `openBank`, `tuneAlignment` and `publishBank`, FB_EMBEDDING_LENGTH, FB_GATE_FAILED
 */
export async function tuneBank(request: TuneRequest): Promise<TuneResult> {
  const { pool, store, embeddings, labels, signal, onProgress } = request;
  const identities = identitiesOf(labels);
  checkIdentities(identities);
  const support = await openSupport(pool, store, request.bank, { estimator: 'learned-or-virtual' });
  try {
    const { parameters, inputs } = support.bank.manifest;
    embeddings.expect(inputs.embedder.dimension, 'embeddings');
    const sizes = sizesToTry(support.search.candidates, parameters.neighbours);
    onProgress?.('looking up', 0, embeddings.rows);
    const virtual = await virtualWithTypicals(support, sizes, signal ? { signal } : {});
    const estimates = await virtual.estimateSizes(embeddings, sizes, {
      ...(signal ? { signal } : {}),
      onProgress: (done, total) => onProgress?.('looking up', done, total),
    });
    if (support.estimator !== support.virtual)
      estimates.push(await support.estimator.estimate(embeddings, signal ? { signal } : {}));
    onProgress?.('scoring pairs', 0, embeddings.rows);
    const tuning = await tuneAlignment(pool, embeddings, identities, estimates, {
      ...request,
      onProgress: (done, total) => onProgress?.('scoring pairs', done, total),
    });
    const manifest = request.dryRun ? undefined : await publishTuned(request, support, tuning);
    return { tuning, manifest, before: parameters };
  } finally {
    await support.close();
  }
}

/** The same candidates and files, with what was chosen. */
async function publishTuned(request: TuneRequest, { bank }: Support, tuning: Tuning): Promise<Manifest> {
  const { pool, store, signal, onStep } = request;
  const { manifest, candidates } = bank;
  const { inputs, counts, parameters, gateResults } = manifest;
  // Where nothing is gained, K and λ stay: whoever asks for an operator all the same gets what he got before.
  const { operator, lambda, k } = tuning.better
    ? tuning.chosen
    : { operator: 'none' as const, lambda: parameters.lambda, k: undefined };
  const neighbours = k ?? parameters.neighbours;
  onStep?.('indexing');
  const index = await indexCandidates(pool, candidates, { engine: 'auto', neighbours }, signal);
  try {
    onStep?.('measuring');
    const measured = await measureFaces(pool, candidates, inputs, neighbours, signal);
    const { calibration } = parameters;
    const calibrated =
      calibration.kind === 'none'
        ? calibration
        : {
            ...calibration,
            neighboursShare: k === undefined ? calibration.neighboursShare : k / counts.accepted,
            thresholds: thresholdsAmong(measured, { operator, lambda }, signal),
          };
    const files: Record<string, { readonly localFile: string }> = {};
    for (const { path } of manifest.files) {
      if (path.startsWith('candidates/') || path === INDEX) continue;
      files[path] = { localFile: (await bank.localFile(path)) as string };
    }
    if (index.file) files[INDEX] = { localFile: index.file };
    onStep?.('publishing');
    const at = tuning.gains.find(({ far }) => far === tuning.far)!;
    return await publishBank(
      store,
      bank.name,
      {
        ...{ candidates, inputs, counts, files },
        parameters: {
          ...parameters,
          ...{ operator: operatorId(operator), lambda, neighbours, typical: measured.stats.typical },
          ...{ engine: index.engine, index: index.parameters, calibration: calibrated },
          tuning: {
            ...{ falseAcceptRate: tuning.far, photos: tuning.photos, people: tuning.people },
            ...{ raw: at.raw, aligned: at.aligned, reason: tuning.reason },
            gain: [...(at.interval ?? [at.gain, at.gain])],
          },
        },
        gateResults: [...gateResults.filter(({ gate }) => !gate.startsWith('index')), ...index.gates],
      },
      signal ? { signal } : {},
    );
  } finally {
    await index.discard();
  }
}

const INDEX = 'index.hnsw';
