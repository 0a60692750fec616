import {
  type Estimator,
  fitCalibration,
  LearnedEstimator,
  mapFaces,
  VirtualEstimator,
} from '../../src/discrepancy/index.js';
import { type Half, shuffled } from '../../src/evaluation/index.js';
import { ExactEngine, SupportSearch } from '../../src/neighbours/index.js';
import type { InferencePool } from '../../src/onnx/index.js';
import { learnFrom } from '../../src/pipeline/index.js';
import type { UnitMatrix } from '../../src/vectors/index.js';
import { ClosedForm } from './closed-form.js';
import { withDraws } from './foils.js';
import { ownTypicals } from './own-typicals.js';
import { type ThresholdErrors, thresholdErrors } from './threshold-errors.js';

/** K by candidates, and the shares of the mixture that support a query in closed form. */
const SHARE = 0.025;
const CLOSED_SHARES = [0.025, 0.05];

/**
 * What stands in for a bank's lookup: the network that `foilbank learn` makes of it, and the closed form under its mixture; the bank
 * itself, faces and draws as they are published, comes first.
 *
 * @param half embeddings of the half that is not tested; n of them calibrate
 * @param tested the other half: how often its strangers pass the bank's thresholds
 */
export async function imitations(
  pool: InferencePool,
  faces: UnitMatrix,
  half: UnitMatrix,
  n: number,
  seed: number,
  tested: Half,
): Promise<{
  readonly estimators: readonly Estimator[];
  readonly errors: ThresholdErrors;
  close(): Promise<void>;
}> {
  const calibration = await fitCalibration(half.gather(shuffled(half.rows, seed).subarray(0, n)));
  const { dimension } = faces;
  const moved = await mapFaces(calibration, faces);
  const candidates = withDraws(moved, calibration);
  const exact = await ExactEngine.create({ candidates, pool });
  const search = new SupportSearch({ engine: exact, exact, samePersonCeiling: 1 });
  const k = Math.round(SHARE * candidates.rows);
  const bank = new VirtualEstimator(search, k, await ownTypicals(search, moved, [k]));
  const source = { candidates, samePersonCeiling: 1, neighbours: bank.k, calibration };
  const { graph, card } = await learnFrom(pool, source, {});
  const { distanceLimit } = card;
  const learned = await LearnedEstimator.open({ pool, graph, dimension, distanceLimit, bank });
  console.log(
    `  split ${seed + 1}: learned, held-out error of r ${card.errorOfR.toFixed(3)}, of log σ ${card.errorOfLogSigma.toFixed(3)}, steps ${card.steps}`,
  );
  const closed =
    calibration.mixture.length > 0 ? CLOSED_SHARES.map((share) => new ClosedForm(calibration, share)) : [];
  return {
    estimators: [bank, learned, ...closed],
    errors: await thresholdErrors(pool, moved, bank, learned, tested),
    close: async () => {
      await Promise.all([learned.close(), exact.close()]);
    },
  };
}
