import type { Bank } from '../bank/index.js';
import { FoilbankError } from '../errors.js';
import type { InferencePool } from '../onnx/index.js';
import { LearnedEstimator } from './learned.js';
import type { VirtualEstimator } from './virtual.js';

/** `learned-or-virtual` looks the bank up where it has no sound learned estimator, and says so. */
export const ESTIMATORS = ['virtual', 'learned', 'learned-or-virtual'] as const;
export type EstimatorName = (typeof ESTIMATORS)[number];

/** The network of a learned estimator, within its version. */
export const LEARNED_FILE = 'learned.onnx';

/**
 * Opens what was learned of a bank, after its hash was checked.
 *
 * @param virtual the bank's lookup: answers where the network must not, and says the K
 * @throws FoilbankError FB_LEARNED_ABSENT, FB_BANK_CORRUPT, FB_MODEL_LOAD_FAILED
 */
export async function openLearned(
  pool: InferencePool,
  bank: Bank,
  virtual: VirtualEstimator,
): Promise<LearnedEstimator> {
  const { name, version, manifest } = bank;
  const { learned } = manifest.parameters;
  const absent = (reason: string) =>
    new FoilbankError('FB_LEARNED_ABSENT', { bank: name, version, k: virtual.k, reason });
  if (!learned) throw absent('nothing was learned');
  if (learned.neighbours !== virtual.k) throw absent(`it was learned for K ${learned.neighbours}`);
  const graph = await bank.localFile(LEARNED_FILE);
  if (graph === undefined)
    throw new FoilbankError('FB_BANK_CORRUPT', {
      ...{ file: `${name}/${LEARNED_FILE}`, reason: 'the manifest promises it' },
    });
  const { distanceLimit } = learned;
  const { dimension } = bank.candidates;
  return LearnedEstimator.open({ pool, graph, dimension, distanceLimit, bank: virtual });
}

const UNSOUND: readonly string[] = ['FB_LEARNED_ABSENT', 'FB_BANK_CORRUPT', 'FB_MODEL_LOAD_FAILED'];

/** As asked for by name; where that allows for it, the lookup and a warning. */
export async function estimatorNamed(
  pool: InferencePool,
  bank: Bank,
  virtual: VirtualEstimator,
  name: EstimatorName,
): Promise<{ readonly learned: LearnedEstimator | undefined; readonly warnings: readonly string[] }> {
  if (name === 'virtual') return { learned: undefined, warnings: [] };
  try {
    return { learned: await openLearned(pool, bank, virtual), warnings: [] };
  } catch (error) {
    if (name === 'learned' || !(error instanceof FoilbankError) || !UNSOUND.includes(error.code)) throw error;
    return { learned: undefined, warnings: [`${error.message}; the bank is looked up`] };
  }
}
