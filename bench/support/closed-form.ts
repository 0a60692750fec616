import {
  type Calibration,
  type DiscrepancyEstimate,
  drawsOf,
  type Estimator,
} from '../../src/discrepancy/index.js';
import { latents } from '../../src/synthesis/index.js';
import { covarianceOf, momentsOf, type UnitMatrix } from '../../src/vectors/index.js';

/** Draws of a component from which the moments of its unit-length vectors are taken. */
const DRAWS = 4000;
const BISECTIONS = 30;

/**
 * r and σ without any bank: along a query, a mixture of Gaussians is a mixture of normal distributions of s(v, c), and mean and
 * deviation of its top share are known in closed form but for the quantile. Components have the moments of their draws of unit length.
 */
export class ClosedForm implements Estimator {
  readonly name: string;
  /** It takes no candidates at all. */
  readonly k = 1;
  readonly #components: { weight: number; mean: Float64Array; covariance: Float64Array }[];

  /** @param share of the mixture that supports a query: K by candidates */
  constructor(
    { mixture, moments }: Calibration,
    private readonly share: number,
  ) {
    this.name = `closed form, top ${100 * share} %`;
    const d = moments.mean.length;
    const numbers = Array.from({ length: DRAWS }, (_, i) => i);
    this.#components = mixture.map(({ weight, mean, covariance }) => {
      const draws = drawsOf(
        { moments, mixture: [{ weight: 1, mean, covariance }] },
        numbers,
        latents(numbers, d),
      );
      const own = momentsOf(draws);
      return { weight, mean: own.mean, covariance: covarianceOf(own) };
    });
  }

  async estimate(embeddings: UnitMatrix): Promise<DiscrepancyEstimate> {
    const m = embeddings.rows;
    const [r, sigma] = [new Float64Array(m), new Float64Array(m)];
    for (let row = 0; row < m; row++) {
      const normals = this.#components.map((component) => along(component, embeddings.row(row)));
      const answer = topShare(normals, this.share);
      r[row] = answer.mean;
      sigma[row] = answer.deviation;
    }
    const none = new Int32Array(m);
    return {
      ...{ estimator: this.name, k: this.k, r, sigma, n: new Int32Array(m).fill(this.k) },
      ...{ excluded: none, aboveCeiling: none },
    };
  }
}

interface Normal {
  readonly weight: number;
  readonly mean: number;
  readonly deviation: number;
}

function along(
  { weight, mean, covariance }: { weight: number; mean: Float64Array; covariance: Float64Array },
  v: Float32Array,
): Normal {
  const d = v.length;
  let [centre, variance] = [0, 0];
  for (let i = 0; i < d; i++) {
    centre += mean[i]! * v[i]!;
    let sum = 0;
    for (let j = 0; j < d; j++) sum += covariance[i * d + j]! * v[j]!;
    variance += sum * v[i]!;
  }
  return { weight, mean: centre, deviation: Math.sqrt(Math.max(variance, 1e-12)) };
}

/** Mean and deviation of what lies above the (1 − share) quantile of a mixture of normal distributions. */
function topShare(normals: readonly Normal[], share: number): { mean: number; deviation: number } {
  let [low, high] = [-1, 1.5];
  for (let i = 0; i < BISECTIONS; i++) {
    const at = (low + high) / 2;
    const above = normals.reduce((sum, n) => sum + n.weight * upper((at - n.mean) / n.deviation), 0);
    if (above > share) low = at;
    else high = at;
  }
  const t = (low + high) / 2;
  let [first, second] = [0, 0];
  for (const { weight, mean, deviation } of normals) {
    const z = (t - mean) / deviation;
    const [tail, density] = [upper(z), Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)];
    first += weight * (mean * tail + deviation * density);
    second += weight * ((mean * mean + deviation * deviation) * tail + deviation * (mean + t) * density);
  }
  const mean = first / share;
  return { mean, deviation: Math.sqrt(Math.max(second / share - mean * mean, 1e-8)) };
}

/** P(Z > z) of a standard normal Z (Abramowitz, Stegun 26.2.17; error below 7.5e-8). */
function upper(z: number): number {
  if (z < 0) return 1 - upper(-z);
  const t = 1 / (1 + 0.2316419 * z);
  const polynomial =
    t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return (polynomial * Math.exp((-z * z) / 2)) / Math.sqrt(2 * Math.PI);
}
