import { parseArgs } from 'node:util';
import {
  CohortEstimator,
  type Estimator,
  fitCalibration,
  LearnedEstimator,
  mapFaces,
  VirtualEstimator,
} from '../src/discrepancy/index.js';
import { evaluateSplits, FARS, intervalOf, type SplitRow, shuffled } from '../src/evaluation/index.js';
import { ExactEngine, SupportSearch } from '../src/neighbours/index.js';
import { InferencePool } from '../src/onnx/index.js';
import { learnFrom } from '../src/pipeline/index.js';
import { resolveOperatorSettings } from '../src/scoring/index.js';
import type { UnitMatrix } from '../src/vectors/index.js';
import { ownTypicals } from './support/own-typicals.js';
import { strongCrowd } from './support/strong-crowd.js';

/** Much like the development half of LFW: 3,880 photos of 2,140 people, and 4,400 pairs of one person. */
const PHOTOS_OF: readonly number[] = Array.from({ length: 2140 }, (_, i) =>
  i < 4 ? 30 : i < 100 ? 7 : i < 1150 ? 2 : 1,
);
const OPERATORS = [
  { operator: 'shift', lambda: 0.25 },
  { operator: 'shift', lambda: 1 },
  { operator: 'standardise' },
  { operator: 'fuse' },
] as const;

/**
 * What each operator does to a strong 512-d embedder, simulated: raw is good already, and alignment can cost more than it gives.
 * Banks of embedders that nobody measured recommend none for it.
 */
export async function benchStrong(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      faces: { type: 'string', default: '20000' },
      samples: { type: 'string', default: '1000' },
      splits: { type: 'string', default: '3' },
      seed: { type: 'string', default: '1' },
      /** What `foilbank learn` makes of the calibrated faces, too: with its time and errors. */
      learned: { type: 'boolean', default: false },
    },
  });
  const pool = new InferencePool();
  try {
    const { photos, labels, faces } = strongCrowd(PHOTOS_OF, Number(values.faces), Number(values.seed));
    const rows = await evaluateSplits(
      pool,
      { embeddings: photos, labels },
      async ({ embeddings, labels: who }, split) => {
        const cohort = await CohortEstimator.create({
          pool,
          embeddings,
          identities: who,
          k: 16,
          sizes: [16],
        });
        const sample = embeddings.gather(
          shuffled(embeddings.rows, split).subarray(0, Number(values.samples)),
        );
        const calibration = await fitCalibration(sample);
        const moved = await mapFaces(calibration, faces);
        const banks = await Promise.all([bankOf(pool, faces), bankOf(pool, moved)]);
        const [asTheyAre, looked] = await Promise.all([banks[0]!.asked(0.02), banks[1]!.asked(0.025)]);
        const learned = values.learned
          ? await learnedOf(pool, { candidates: moved, calibration, neighbours: looked.k }, looked, photos)
          : undefined;
        const named: [string, Estimator][] = [
          ['cohort K 16', cohort],
          ['faces as they are', asTheyAre],
          [`calibrated, n ${values.samples}`, looked],
          ...(learned ? [['calibrated, learned', learned] as [string, Estimator]] : []),
        ];
        return {
          estimators: [],
          chosen: named.flatMap(([name, estimator]) =>
            OPERATORS.map((settings) => ({
              settings: resolveOperatorSettings(settings),
              estimator: called(
                `${name}, ${settings.operator}${'lambda' in settings ? ` λ ${settings.lambda}` : ''}`,
                estimator,
              ),
            })),
          ),
          close: async () => {
            await Promise.all([cohort.close(), learned?.close(), ...banks.map(({ close }) => close())]);
          },
        };
      },
      { splits: Number(values.splits), resamples: 400 },
    );
    print(rows);
  } finally {
    await pool.close();
  }
}

/** Says how long it took, and how far r is from the lookup's for photos of all people. */
async function learnedOf(
  pool: InferencePool,
  source: Omit<Parameters<typeof learnFrom>[1], 'samePersonCeiling'>,
  bank: VirtualEstimator,
  photos: UnitMatrix,
): Promise<LearnedEstimator> {
  const [started, before] = [performance.now(), process.cpuUsage()];
  const { graph, card } = await learnFrom(pool, { ...source, samePersonCeiling: 1 }, {});
  const { user, system } = process.cpuUsage(before);
  const { distanceLimit } = card;
  const { dimension } = photos;
  const learned = await LearnedEstimator.open({ pool, graph, dimension, distanceLimit, bank });
  const [truth, found] = [await bank.estimate(photos), await learned.estimate(photos)];
  const mean = truth.r.reduce((sum, x) => sum + x, 0) / photos.rows;
  const share = (of: (i: number) => number) => truth.r.reduce((sum, _, i) => sum + of(i) ** 2, 0);
  const error = Math.sqrt(share((i) => found.r[i]! - truth.r[i]!) / share((i) => truth.r[i]! - mean));
  console.log(
    [
      `learned in ${((performance.now() - started) / 1000).toFixed(0)} s, ${((user + system) / 1e6).toFixed(0)} s of processors`,
      `held-out error of r ${card.errorOfR.toFixed(3)}, of log σ ${card.errorOfLogSigma.toFixed(3)}; of r on photos ${error.toFixed(3)}`,
      `${found.outside!.reduce((sum, x) => sum + x, 0)} of ${photos.rows} looked up`,
      `most memory held ${(process.resourceUsage().maxRSS / 1e6).toFixed(2)} GB`,
    ].join('; '),
  );
  return learned;
}

async function bankOf(pool: InferencePool, candidates: UnitMatrix) {
  const exact = await ExactEngine.create({ candidates, pool });
  const search = new SupportSearch({ engine: exact, exact, samePersonCeiling: 1 });
  return {
    /** @param share K by candidates */
    asked: async (share: number) => {
      const k = Math.round(share * candidates.rows);
      return new VirtualEstimator(search, k, await ownTypicals(search, candidates, [k]));
    },
    close: () => exact.close(),
  };
}

const called = (name: string, estimator: Estimator): Estimator => ({
  ...{ name, k: estimator.k },
  estimate: async (embeddings, options) => ({
    ...(await estimator.estimate(embeddings, options)),
    estimator: name,
  }),
});

function print([raw, ...others]: readonly SplitRow[]): void {
  const shown = FARS.slice(0, 4);
  console.log(`\na strong 512-d embedder, simulated: TAR in %, then what it gains over raw in points [95 %]`);
  console.log(`  ${'FAR'.padEnd(40)}${shown.map((far) => far.toExponential().padEnd(22)).join('')}`);
  console.log(
    `  ${'raw'.padEnd(40)}${shown.map((_, at) => (100 * raw!.points[at]!.tar).toFixed(1).padEnd(22)).join('')}`,
  );
  for (const { estimator, points } of others) {
    const cells = shown.map((_, at) => {
      const [before, after] = [raw!.points[at]!, points[at]!];
      const interval = intervalOf(after.draws.map((tar, draw) => tar - before.draws[draw]!));
      const range = interval ? ` [${interval.map((x) => (100 * x).toFixed(1)).join(', ')}]` : '';
      return `${(100 * (after.tar - before.tar)).toFixed(2)}${range}`.padEnd(22);
    });
    console.log(`  ${estimator!.padEnd(40)}${cells.join('')}`);
  }
}
