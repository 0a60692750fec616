import {
  type Calibration,
  type DiscrepancyEstimate,
  DRAWS_PER_FACE,
  drawsOf,
  type Estimator,
  fitCalibration,
  fitMixture,
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
import { ownTypicals } from './own-typicals.js';

/** K by candidates: what `shift` wants, and what `standardise` and `fuse` do. */
const SHARES = [0.0025, 0.025];
/** Of the mixture alone where a calibration fits none: so many Gaussians, for the comparison only. */
const COMPONENTS_OF_FEW = 4;

/** A bank's faces as their pictures were embedded, and what it recommends as long as nothing calibrates it. */
export interface Faces {
  readonly name: string;
  readonly faces: UnitMatrix;
  readonly recommends: OperatorSettings & { readonly neighbours: number };
}

/** What the rows are called. */
const mixtureOf = (n: number): string => `mixture, n ${n}`;
const facesOf = (bank: string, n: number): string => `${bank}: faces, n ${n}`;
const bothOf = (bank: string, n: number, draws = ''): string => `${bank}: both, n ${n}${draws}`;

/** Rows to compare, that with faces first: what do the faces add? Below 500 photos no mixture is published, so they stand alone. */
export const ablations = (bank: string, samples: readonly number[]): [string, string][] =>
  samples.flatMap((n) => [
    [bothOf(bank, n), mixtureOf(n)],
    [facesOf(bank, n), mixtureOf(n)],
  ]);

/** Candidates made from faces and a sample of the half that is not tested, each with K at {@link SHARES} of them. */
export async function foils(
  pool: InferencePool,
  banks: readonly Faces[],
  { embeddings }: Half,
  samples: readonly number[],
  otherDraws: readonly number[],
  seed: number,
): Promise<HalfEstimators> {
  const calibrations = [];
  for (const n of banks.length > 0 ? samples : []) {
    const sample = sampleOf(embeddings, n, seed);
    calibrations.push({ n, sample, calibration: await fitCalibration(sample) });
  }
  const made: [string, UnitMatrix][] = [];
  for (const [i, { name, faces }] of banks.entries())
    for (const { n, sample, calibration } of calibrations) {
      const moved = await mapFaces(calibration, faces);
      made.push([facesOf(name, n), moved]);
      const mixed = calibration.mixture.length > 0;
      if (i === 0) {
        const known = mixed ? calibration : await mixtureOfFew(calibration, sample);
        made.push([mixtureOf(n), someDraws(known, faces.rows)]);
      }
      for (const share of mixed ? [DRAWS_PER_FACE, ...otherDraws] : [])
        made.push([
          bothOf(name, n, share === DRAWS_PER_FACE ? '' : `, ${share} draws a face`),
          withDraws(moved, calibration, share),
        ]);
    }
  const asked = await Promise.all(made.map(([name, candidates]) => Asked.open(pool, name, candidates)));
  const plain = await Promise.all(
    banks.map(({ name, faces }) => Asked.open(pool, `${name}: faces as they are`, faces)),
  );
  const recommended = banks.map(({ name, recommends }, i) => {
    const { operator, lambda, neighbours } = recommends;
    const [settings, k] = [resolveOperatorSettings({ operator, lambda }), neighbours];
    const way = `${operator}${operator === 'shift' ? ` λ ${lambda}` : ''}, K ${k}`;
    return { settings, estimator: plain[i]!.called(`${name}, no calibration: ${way}`, [k])[0]! };
  });
  return {
    estimators: [...plain, ...asked].flatMap((one) => one.at(SHARES)),
    chosen: recommended,
    close: async () => {
      await Promise.all([...plain, ...asked].map((one) => one.close()));
    },
  };
}

async function mixtureOfFew({ moments }: Calibration, sample: UnitMatrix) {
  const options = { components: COMPONENTS_OF_FEW, pooling: sample.dimension / 4, fewest: 30 };
  return { moments, mixture: await fitMixture(sample, options) };
}

/** What is tried where settings are chosen: pooling of the mixture's covariances, K by candidates, operator and λ. */
const POOLINGS = [1 / 16, 1 / 4, 1];
const TRIED_SHARES = [0.005, 0.01, 0.025, 0.05];
const TRIED_OPERATORS: readonly Partial<OperatorSettings>[] = [
  { operator: 'fuse' },
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
  const asked = await bankOf(pool, faces, calibration, `chosen by others: both, n ${n}`);
  const { operator, lambda } = settings;
  return {
    estimators: [],
    chosen: [{ estimator: asked.at([share])[0]!, settings }],
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
  return Asked.open(pool, name, withDraws(moved, calibration));
}

const sampleOf = (embeddings: UnitMatrix, n: number, seed: number): UnitMatrix =>
  embeddings.gather(shuffled(embeddings.rows, seed).subarray(0, n));

/** Faces, moved, and draws of the mixture where there is one, in a bank's order. */
export function withDraws(
  moved: UnitMatrix,
  calibration: Calibration,
  drawsPerFace = DRAWS_PER_FACE,
): UnitMatrix {
  if (calibration.mixture.length === 0) return moved;
  const draws = someDraws(calibration, Math.round(drawsPerFace * moved.rows));
  return UnitMatrix.concat([moved, draws], moved.dimension);
}

function someDraws(calibration: Pick<Calibration, 'mixture' | 'moments'>, count: number): UnitMatrix {
  const numbers = Array.from({ length: count }, (_, i) => i);
  return drawsOf(calibration, numbers, latents(numbers, calibration.moments.mean.length));
}

/** Candidates ready to be asked. */
class Asked {
  private constructor(
    private readonly name: string,
    private readonly exact: ExactEngine,
    private readonly search: SupportSearch,
    private readonly faces: UnitMatrix,
  ) {}

  static async open(pool: InferencePool, name: string, candidates: UnitMatrix): Promise<Asked> {
    const exact = await ExactEngine.create({ candidates, pool });
    const search = new SupportSearch({ engine: exact, exact, samePersonCeiling: 1 });
    return new Asked(name, exact, search, candidates);
  }

  /** r and σ at several K by candidates. */
  sizes(embeddings: UnitMatrix, shares: readonly number[]): Promise<DiscrepancyEstimate[]> {
    return this.#estimates(embeddings, this.#ks(shares));
  }

  /** @param shares K by candidates */
  at(shares: readonly number[]): Estimator[] {
    return this.called(this.name, this.#ks(shares));
  }

  /** One estimator a K: what is asked of one is looked up for all. */
  called(name: string, ks: readonly number[]): Estimator[] {
    let last: { readonly of: UnitMatrix; readonly found: Promise<DiscrepancyEstimate[]> } | undefined;
    return ks.map((k, i) => ({
      ...{ name, k },
      estimate: async (embeddings) => {
        if (last?.of !== embeddings) last = { of: embeddings, found: this.#estimates(embeddings, ks) };
        return { ...(await last.found)[i]!, estimator: name };
      },
    }));
  }

  async #estimates(embeddings: UnitMatrix, ks: readonly number[]): Promise<DiscrepancyEstimate[]> {
    const typicals = await ownTypicals(this.search, this.faces, ks);
    return new VirtualEstimator(this.search, 1, typicals).estimateSizes(embeddings, ks);
  }

  #ks(shares: readonly number[]): number[] {
    return shares.map((share) => Math.round(share * this.search.candidates));
  }

  close(): Promise<void> {
    return this.exact.close();
  }
}
