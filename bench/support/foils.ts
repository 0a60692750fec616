import {
  type Calibration,
  drawsOf,
  type Estimator,
  fitCalibration,
  mapFaces,
  VirtualEstimator,
} from '../../src/discrepancy/index.js';
import {
  alignmentsOf,
  bestOf,
  type Half,
  type HalfEstimators,
  identitiesOf,
  scoreAllPairs,
  shuffled,
} from '../../src/evaluation/index.js';
import { ExactEngine, SupportSearch } from '../../src/neighbours/index.js';
import type { InferencePool } from '../../src/onnx/index.js';
import { type OperatorSettings, resolveOperatorSettings } from '../../src/scoring/index.js';
import { latents } from '../../src/synthesis/index.js';
import { UnitMatrix } from '../../src/vectors/index.js';

/** K by candidates: what `shift` wants and what `standardise` does. */
const SHARES = [0.0025, 0.025];

/** Candidates made from faces and a sample of the half that is not tested, each with K at {@link SHARES} of them. */
export async function foils(
  pool: InferencePool,
  banks: readonly { readonly name: string; readonly faces: UnitMatrix }[],
  { embeddings }: Half,
  samples: readonly number[],
  seed: number,
): Promise<HalfEstimators> {
  const calibrations = [];
  for (const n of banks.length > 0 ? samples : [])
    calibrations.push({ n, calibration: await fitCalibration(sampleOf(embeddings, n, seed)) });
  const made: [string, UnitMatrix][] = [];
  for (const [i, { name, faces }] of banks.entries()) {
    const said = banks.length > 1 ? `${name}: ` : '';
    made.push([`${said}faces as they are`, faces]);
    for (const { n, calibration } of calibrations) {
      const moved = await mapFaces(calibration, faces);
      made.push([`${said}faces, n ${n}`, moved]);
      if (calibration.mixture.length === 0) continue;
      const draws = drawsBeside(faces, calibration);
      if (i === 0) made.push([`mixture, n ${n}`, draws]);
      made.push([`${said}both, n ${n}`, UnitMatrix.concat([moved, draws], faces.dimension)]);
    }
  }
  const asked = await Promise.all(made.map(([name, candidates]) => Asked.open(pool, name, candidates)));
  return {
    estimators: asked.flatMap((one) => SHARES.map((share) => one.at(share))),
    close: async () => {
      await Promise.all(asked.map((one) => one.close()));
    },
  };
}

/** What is tried where settings are chosen: pooling of the mixture's covariances, K by candidates, operator and λ. */
const POOLINGS = [1 / 16, 1 / 4, 1];
const TRIED_SHARES = [0.005, 0.01, 0.025, 0.05];
const TRIED_OPERATORS: readonly Partial<OperatorSettings>[] = [
  { operator: 'standardise' },
  { operator: 'shift', lambda: 0.5 },
  { operator: 'shift', lambda: 1 },
];
/** The false accept rate that settings are chosen at. */
const CHOSEN_AT = 1e-4;

/**
 * Faces and mixture with settings that the tested people had no part in: of the half that is not tested, one half of the people gives the
 * sample and the other chooses; then the sample is taken from both.
 */
export async function chosenFoils(
  pool: InferencePool,
  faces: UnitMatrix,
  { embeddings, labels }: Half,
  n: number,
  seed: number,
): Promise<HalfEstimators & { readonly said: string }> {
  const { names, of } = identitiesOf(labels);
  const first = new Set(shuffled(names.length, seed + 500).subarray(0, names.length >> 1));
  const rows = Array.from(of.keys());
  const giving = rows.filter((row) => first.has(of[row]!));
  const choosing = rows.filter((row) => !first.has(of[row]!));
  const sample = sampleOf(embeddings.gather(giving), n, seed);
  const judges = embeddings.gather(choosing);
  const identities = identitiesOf(choosing.map((row) => labels[row]!));
  let best = { tar: -1, pooling: 0, share: 0, settings: resolveOperatorSettings() };
  let components: number | undefined;
  for (const pooling of POOLINGS) {
    const calibration = await fitCalibration(sample, undefined, { pooling, components });
    // Their number hangs on the sample alone.
    components = Math.max(1, calibration.mixture.length);
    const asked = await bankOf(pool, faces, calibration, 'tried');
    try {
      for (const [i, estimate] of (await asked.sizes(judges, TRIED_SHARES)).entries()) {
        const share = TRIED_SHARES[i]!;
        const ways = TRIED_OPERATORS.flatMap((settings) =>
          alignmentsOf(judges.rows, [estimate], [settings.operator!], settings.lambda).slice(1),
        );
        const scored = await scoreAllPairs(pool, judges, identities, ways, {
          histogram: false,
          highest: 1e-3,
        });
        const { best: at, rates } = bestOf(
          scored.map((one) => ({ scored: one, identities })),
          CHOSEN_AT,
        );
        if (rates[at]! > best.tar) best = { tar: rates[at]!, pooling, share, settings: ways[at]!.settings };
      }
    } finally {
      await asked.close();
    }
  }
  const { pooling, share, settings } = best;
  const calibration = await fitCalibration(sampleOf(embeddings, n, seed), undefined, { pooling });
  const asked = await bankOf(pool, faces, calibration, `both, n ${n}`);
  const { operator, lambda } = settings;
  return {
    estimators: [],
    chosen: [{ estimator: asked.at(share), settings }],
    close: () => asked.close(),
    said: `${operator}${operator === 'shift' ? ` λ ${lambda}` : ''}, K ${100 * share} %, pooling ${pooling}`,
  };
}

async function bankOf(
  pool: InferencePool,
  faces: UnitMatrix,
  calibration: Calibration,
  name: string,
): Promise<Asked> {
  const moved = await mapFaces(calibration, faces);
  const draws = calibration.mixture.length > 0 ? [drawsBeside(faces, calibration)] : [];
  return Asked.open(pool, name, UnitMatrix.concat([moved, ...draws], faces.dimension));
}

const sampleOf = (embeddings: UnitMatrix, n: number, seed: number): UnitMatrix =>
  embeddings.gather(shuffled(embeddings.rows, seed).subarray(0, n));

function drawsBeside({ rows, dimension }: UnitMatrix, calibration: Calibration): UnitMatrix {
  const numbers = Array.from({ length: rows }, (_, i) => i);
  return drawsOf(calibration, numbers, latents(numbers, dimension));
}

/** Candidates ready to be asked. */
class Asked {
  private constructor(
    private readonly name: string,
    private readonly exact: ExactEngine,
    private readonly search: SupportSearch,
  ) {}

  static async open(pool: InferencePool, name: string, candidates: UnitMatrix): Promise<Asked> {
    const exact = await ExactEngine.create({ candidates, pool });
    return new Asked(name, exact, new SupportSearch({ engine: exact, exact, samePersonCeiling: 1 }));
  }

  /** r and σ at several K by candidates. */
  sizes(embeddings: UnitMatrix, shares: readonly number[]) {
    const ks = shares.map((share) => Math.round(share * this.search.candidates));
    return new VirtualEstimator(this.search, 1).estimateSizes(embeddings, ks);
  }

  /** @param share K by candidates */
  at(share: number): Estimator {
    const { name } = this;
    const virtual = new VirtualEstimator(this.search, Math.round(share * this.search.candidates));
    return {
      ...{ name, k: virtual.k },
      estimate: async (embeddings, options) => ({
        ...(await virtual.estimate(embeddings, options)),
        estimator: name,
      }),
    };
  }

  close(): Promise<void> {
    return this.exact.close();
  }
}
