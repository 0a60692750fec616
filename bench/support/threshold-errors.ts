import { type Estimator, firstFaces } from '../../src/discrepancy/index.js';
import { type Half, identitiesOf, scoreAllPairs } from '../../src/evaluation/index.js';
import type { InferencePool } from '../../src/onnx/index.js';
import { thresholdsAmong } from '../../src/pipeline/index.js';
import { resolveOperatorSettings } from '../../src/scoring/index.js';
import type { UnitMatrix } from '../../src/vectors/index.js';

/** What a calibrated bank recommends. */
const SETTINGS = resolveOperatorSettings({ operator: 'fuse' });

/** How often strangers pass a threshold, by what was asked for: of each false match rate, by whose r and σ it was set and is asked. */
export type ThresholdErrors = readonly {
  readonly asked: number;
  readonly lookup: number;
  /** Set by the lookup, asked of what is learned: what users of `--estimator learned` get. */
  readonly learned: number;
  /** Both by what is learned. */
  readonly own: number;
}[];

/** @param faces the bank's first candidates */
export async function thresholdErrors(
  pool: InferencePool,
  faces: UnitMatrix,
  bank: Estimator,
  learned: Estimator,
  { embeddings, labels }: Half,
): Promise<ThresholdErrors> {
  const some = firstFaces(faces);
  const exclude = Array.from({ length: some.rows }, (_, row) => ({ rows: [row] }));
  const looksUp = { faces: some, stats: await bank.estimate(some, { exclude }) };
  const byLookup = thresholdsAmong(looksUp, SETTINGS);
  const byLearned = thresholdsAmong({ faces: some, stats: await learned.estimate(some) }, SETTINGS);
  const stats = [await bank.estimate(embeddings), await learned.estimate(embeddings)];
  const [looked, answered] = await scoreAllPairs(
    pool,
    embeddings,
    identitiesOf(labels),
    stats.map((one) => ({ settings: SETTINGS, stats: one })),
    { histogram: false },
  );
  const passing = ({ highest, impostors }: NonNullable<typeof looked>, threshold: number) =>
    highest.scores.filter((score) => score > threshold).length / impostors;
  return byLookup.map(({ falseMatchRate: asked, threshold }, i) => ({
    asked,
    lookup: passing(looked!, threshold) / asked,
    learned: passing(answered!, threshold) / asked,
    own: passing(answered!, byLearned[i]!.threshold) / asked,
  }));
}

/** Means over the splits. */
export function printThresholdErrors(title: string, splits: readonly ThresholdErrors[]): void {
  const [first] = splits;
  if (!first) return;
  console.log(`\n${title}: how often strangers pass thresholds of the bank, by what was asked for`);
  for (const [name, of] of [
    ['lookup', 'lookup'],
    ["learned, the lookup's thresholds", 'learned'],
    ['learned, its own', 'own'],
  ] as const) {
    const cells = first.map(({ asked }, i) => {
      const mean = splits.reduce((sum, one) => sum + one[i]![of], 0) / splits.length;
      return `${asked.toExponential()}: ${mean.toFixed(2)}`.padEnd(14);
    });
    console.log(`  ${name.padEnd(40)}${cells.join('')}`);
  }
}
