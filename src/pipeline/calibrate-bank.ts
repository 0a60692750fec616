import { readFile } from 'node:fs/promises';
import { type BankStore, type Manifest, openBank, publishBank } from '../bank/index.js';
import { checkReal } from '../checks.js';
import { DRAWS_PER_FACE, fitCalibration } from '../discrepancy/index.js';
import type { InferencePool } from '../onnx/index.js';
import { type OperatorSettings, operatorId, resolveOperatorSettings } from '../scoring/index.js';
import type { UnitMatrix } from '../vectors/index.js';
import { calibrateFaces, uncalibratedFaces } from './calibrate-faces.js';
import { defaultOperator } from './default-operator.js';
import { indexCandidates } from './index-bank.js';
import { measureFaces, thresholdsAmong } from './measure-faces.js';

export interface CalibrateRequest {
  readonly pool: InferencePool;
  readonly store: BankStore;
  readonly bank: string;
  /** Embeddings of real photos by the bank's own embedder, of people who will not be asked about if possible. [n, d] */
  readonly sample: UnitMatrix;
  /** Draws of the mixture by faces; 0 switches them off. 0..10; default 0.5. */
  readonly drawsPerFace?: number | undefined;
  /** K by candidates. Above 0, at most 1; default 0.025. */
  readonly neighboursShare?: number | undefined;
  /** What the bank recommends from now on. Default `fuse`, with an embedder that was never measured `none`. */
  readonly operator?: Partial<OperatorSettings> | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: (step: 'fitting' | 'moving' | 'indexing' | 'measuring' | 'publishing') => void;
}

/**
 * Moves a bank's faces to where the embeddings of real photos lie, and publishes them as a new version. A version that is calibrated
 * already is calibrated anew, from its faces as their pictures were embedded. Of the sample only aggregates are kept.
 *
 * @throws FoilbankError FB_CALIBRATION_TOO_FEW, FB_EMBEDDING_LENGTH, FB_OPTION_INVALID, FB_GATE_FAILED, FB_CANCELLED, and those of
 *   `openBank` and `publishBank`
 */
export async function calibrateBank(request: CalibrateRequest): Promise<Manifest> {
  const { pool, store, bank: name, sample, signal, onStep } = request;
  const { drawsPerFace = DRAWS_PER_FACE, neighboursShare = 0.025 } = request;
  checkReal('draws', drawsPerFace, 0, 10);
  checkReal('neighboursShare', neighboursShare, 1e-6, 1);
  const bank = await openBank(store, name, signal ? { signal } : {});
  const { manifest } = bank;
  const { operator, lambda } = resolveOperatorSettings({
    ...defaultOperator(manifest.inputs.embedder),
    ...request.operator,
  });
  sample.expect(manifest.inputs.embedder.dimension, 'the sample');
  onStep?.('fitting');
  const calibration = await fitCalibration(sample, signal);
  onStep?.('moving');
  const ceiling = manifest.inputs.gates.duplicateCeiling;
  const faces = await uncalibratedFaces(bank);
  const plan = { calibration, drawsPerFace, neighboursShare };
  const { candidates, neighbours, counts, described, files } = await calibrateFaces(pool, faces, plan, {
    ...{ ceiling, signal },
  });
  onStep?.('indexing');
  const index = await indexCandidates(pool, candidates, { engine: 'auto', neighbours }, signal);
  try {
    const preview = await bank.localFile('preview.png');
    const { drawn: _, ...generated } = manifest.counts;
    const gates = manifest.gateResults.filter(({ gate }) => !gate.startsWith('index'));
    onStep?.('measuring');
    const measured = await measureFaces(pool, candidates, manifest.inputs, neighbours, signal);
    const thresholds = thresholdsAmong(measured, { operator, lambda }, signal);
    onStep?.('publishing');
    return await publishBank(
      store,
      name,
      {
        ...{ candidates, inputs: manifest.inputs },
        counts: { ...generated, accepted: candidates.seeds.length, ...counts },
        parameters: {
          ...{
            operator: operatorId(operator),
            lambda,
            neighbours,
            engine: index.engine,
            index: index.parameters,
          },
          typical: measured.stats.typical,
          calibration: { ...described, thresholds },
        },
        gateResults: [...gates, ...index.gates],
        files: {
          ...files,
          ...(preview === undefined ? {} : { 'preview.png': await readFile(preview) }),
          ...(index.file ? { 'index.hnsw': { localFile: index.file } } : {}),
        },
      },
      signal ? { signal } : {},
    );
  } finally {
    await index.discard();
  }
}
