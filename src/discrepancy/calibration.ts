import { FoilbankError } from '../errors.js';
import { type Moments, momentsOf, type UnitMatrix } from '../vectors/index.js';
import { fitMixture, heldOutDensity, type Mixture } from './mixture.js';

/**
 * Where the embeddings of real photos lie, as aggregates alone: their number, mean and covariance, and, of a large enough sample, a
 * Gaussian mixture. No embedding is kept.
 */
export interface Calibration {
  readonly moments: Moments;
  /** Weight, in samples, of the faces' own covariance in the one that faces are mapped to; 0 takes the sample's as it is. */
  readonly shrinkage: number;
  /** Two components or more, or none. */
  readonly mixture: Mixture;
  /** Why shrinkage and components are what they are, in a sentence. */
  readonly reason: string;
}

/** Fewer different embeddings say nothing about where real faces lie. */
const FEWEST_SAMPLES = 16;
/** Samples per dimension below which the sample's covariance is shrunk to the faces' own, and with which weight. */
const FULL_RANK = 2;
const SHRINKAGE_WEIGHT = 0.5;
/** Samples per dimension and component: below, draws of a mixture were worse than faces alone (docs/calibration.md). */
const PER_COMPONENT = 0.78;
/** Log density a face by which more components must beat fewer: less is the folds' own noise. */
const MARGIN = 0.5;
/** No component describes fewer people than this. */
const FEWEST_MEMBERS = 30;
const COMPONENTS = [1, 2, 4, 8] as const;
/**
 * Pooling per dimension: what held-out likelihood wants, and what is used. Likelihood pays for every dimension alike, while r and σ
 * hang on the wide ones; on held-out identities a quarter did better at every sample size.
 */
const POOLING_JUDGED = 1;
const POOLING_USED = 0.25;

/** For studies alone. */
export interface StudyOptions {
  /** Of the mixture that is kept, in members a dimension. */
  readonly pooling?: number;
  /** Number of components, where it is known already. */
  readonly components?: number | undefined;
}

/**
 * Calibrates to unlabelled embeddings. The strength follows from how many different ones there are; the number of components is the
 * one of greatest held-out likelihood.
 *
 * @throws FoilbankError FB_CALIBRATION_TOO_FEW, FB_CANCELLED
 */
export async function fitCalibration(
  sample: UnitMatrix,
  signal?: AbortSignal,
  { pooling = POOLING_USED, components: known }: StudyOptions = {},
): Promise<Calibration> {
  const different = differentRows(sample);
  const { rows, dimension } = different;
  if (rows < FEWEST_SAMPLES)
    throw new FoilbankError('FB_CALIBRATION_TOO_FEW', {
      ...{ different: rows, given: sample.rows, needed: FEWEST_SAMPLES },
    });
  const moments = momentsOf(different);
  const repeated = sample.rows - rows;
  const counted = `${rows} different embeddings${repeated > 0 ? ` (${repeated} repeated ones left out)` : ''} of ${dimension} dimensions`;
  if (rows < FULL_RANK * dimension) {
    const reason = `${counted}: fewer than ${FULL_RANK} a dimension, so the covariance is shrunk to the faces' own and no mixture is fitted`;
    return { moments, shrinkage: SHRINKAGE_WEIGHT * dimension, mixture: [], reason };
  }
  const fewest = Math.max(FEWEST_MEMBERS, PER_COMPONENT * dimension);
  const judged = [];
  for (const components of known === undefined ? COMPONENTS : []) {
    if (components > 1 && rows < components * fewest) continue;
    const options = {
      ...{ components, pooling: POOLING_JUDGED * dimension, fewest: FEWEST_MEMBERS, signal },
      iterations: components > 1 ? 6 : 1,
    };
    judged.push({ components, density: await heldOutDensity(different, options) });
  }
  const best =
    known === undefined
      ? judged.reduce((a, b) => (b.density > a.density + MARGIN ? b : a))
      : { components: known };
  const said = judged.map(({ components, density }) => `${components}: ${density.toFixed(1)}`).join(', ');
  const reason = `${counted}; held-out log density by components ${said}`;
  if (best.components === 1) return { moments, shrinkage: 0, mixture: [], reason };
  const options = { components: best.components, pooling: pooling * dimension };
  const mixture = await fitMixture(different, { ...options, fewest: FEWEST_MEMBERS, signal });
  return { moments, shrinkage: 0, mixture: mixture.length > 1 ? mixture : [], reason };
}

/** Each embedding once: a photo given twice says no more than once. */
function differentRows(sample: UnitMatrix): UnitMatrix {
  const seen = new Set<string>();
  const kept: number[] = [];
  for (let row = 0; row < sample.rows; row++) {
    const { buffer, byteOffset, byteLength } = sample.row(row);
    const key = Buffer.from(buffer, byteOffset, byteLength).toString('latin1');
    if (!seen.has(key)) kept.push(row);
    seen.add(key);
  }
  return kept.length === sample.rows ? sample : sample.gather(kept);
}
