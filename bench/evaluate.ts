import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { resolveConfig } from '../src/config.js';
import { CohortEstimator } from '../src/discrepancy/index.js';
import { evaluateSplits, type Half, identityOfPhoto, mixedQuality } from '../src/evaluation/index.js';
import { PhotoEmbeddings } from '../src/faces/index.js';
import { InferencePool } from '../src/onnx/index.js';
import { DEFAULT_NETWORKS, findFaceModels } from '../src/pipeline/index.js';
import { UnitMatrix } from '../src/vectors/index.js';
import { printAblations, printGains, printRates } from './support/accuracy-report.js';
import { ablations, chosenFoils, type Faces, foils } from './support/foils.js';
import { imitations } from './support/imitations.js';
import { membershipReport } from './support/membership-report.js';
import { printThresholdErrors, type ThresholdErrors } from './support/threshold-errors.js';
import { uncalibratedFaces } from './support/uncalibrated-faces.js';

const OPTIONS = {
  photos: { type: 'string', default: '../shared/lfw-dev/images' },
  store: { type: 'string', default: 'out/evaluate/banks' },
  /**
   * Banks without a calibration, separated by commas: beside the first one the mixture is shown alone, for it settings are chosen, and of it
   * is learned. `make evaluate` builds these: of the default generator, and of the same one whose faces get no faults.
   */
  bank: { type: 'string', default: 'worn,faces' },
  version: { type: 'string' },
  samples: { type: 'string', default: '1000,200' },
  /** Draws beside each face to compare with what banks have. */
  draws: { type: 'string', default: '' },
  splits: { type: 'string', default: '5' },
  k: { type: 'string', default: '8,16,64,256' },
  /** What is learned of a bank, and the closed form, beside it: a minute of a split (`--no-learned`). */
  learned: { type: 'boolean', default: true },
  resamples: { type: 'string', default: '400' },
  cache: { type: 'string', default: 'out/evaluate/embeddings' },
  /** Which tables: clean, mixed or both. */
  quality: { type: 'string', default: 'clean,mixed' },
  /** Whether to choose settings on the half that is not tested too: half of the time. */
  chosen: { type: 'boolean', default: true },
} as const;

/**
 * The table of accuracy on identities that nothing was calibrated with or chosen by: raw, a cohort of real photos of the other half, and,
 * of uncalibrated banks, their faces: as they are, as such a bank recommends, and calibrated anew in each split on unlabelled photos of the
 * other half, with the mixture alone and without it, and with settings chosen on the other half too; at the photos' own and at mixed
 * quality. Then what is gained over raw, and what the faces add to the mixture.
 */
export async function benchEvaluate(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS, allowNegative: true });
  const { cards, cache } = resolveConfig();
  const folders = { cards, cache };
  const models = await findFaceModels(folders, DEFAULT_NETWORKS);
  const files = (await readdir(values.photos).catch(() => [])).filter((name) => /\.jpe?g$/.test(name)).sort();
  if (files.length === 0) {
    console.log(`SKIPPED: no photos are in ${values.photos}`);
    return;
  }
  const pool = new InferencePool();
  try {
    const reader = new PhotoEmbeddings(pool, { faceBox: 'whole', cache: values.cache });
    const paths = files.map((name) => join(values.photos, name));
    const tables: { title: string; found: (Float32Array | undefined)[] }[] = [];
    for (const quality of values.quality.split(',')) {
      const change = quality === 'mixed' ? mixedQuality(1) : undefined;
      const title = change ? 'mixed quality' : 'the photos as they are';
      tables.push({ title, found: await reader.embed(paths, models, { change }) });
    }
    const rows = files.flatMap((_, i) => (tables.every(({ found }) => found[i]) ? [i] : []));
    const { dimension } = models.embedder.card.output;
    const labels = rows.map((i) => identityOfPhoto(files[i]!, '.'));
    const ks = values.k.split(',').map(Number);
    const banks: Faces[] = [];
    for (const name of values.bank.split(',').filter(Boolean)) {
      const bank = await uncalibratedFaces(folders, values.store, name, values.version);
      if (bank) banks.push(bank);
      else console.log(`SKIPPED: no bank ${name} is in ${values.store}; make evaluate builds its own`);
    }
    const faces = banks[0]?.faces;
    const samples = values.samples.split(',').map(Number);
    const draws = values.draws.split(',').filter(Boolean).map(Number);
    for (const [i, { title, found }] of tables.entries()) {
      const vectors = rows.map((row) => UnitMatrix.adopt(found[row]!, dimension));
      const embeddings = UnitMatrix.concat(vectors, dimension);
      const whole = { embeddings, labels };
      const errors: ThresholdErrors[] = [];
      const split = await evaluateSplits(
        pool,
        whole,
        async (half, split) => {
          const cohort = await CohortEstimator.create({
            ...{ pool, embeddings: half.embeddings, identities: half.labels, k: 1, sizes: ks },
          });
          const virtual = await foils(pool, banks, half, samples, draws, split);
          const standIns =
            values.learned && faces
              ? await imitations(pool, faces, half.embeddings, samples[0]!, split, testedBeside(half, whole))
              : undefined;
          if (standIns) errors.push(standIns.errors);
          const best =
            faces && values.chosen ? await chosenFoils(pool, faces, half, samples[0]!, split) : undefined;
          if (best) console.log(`  ${title}, split ${split + 1} chose ${best.said}`);
          return {
            estimators: [
              ...ks.map((k) => cohort.withK(k)),
              ...virtual.estimators,
              ...(standIns?.estimators ?? []),
            ],
            chosen: [...(virtual.chosen ?? []), ...(best?.chosen ?? [])],
            close: async () => {
              await Promise.all([cohort.close(), virtual.close(), best?.close(), standIns?.close()]);
            },
          };
        },
        { splits: Number(values.splits), resamples: Number(values.resamples) },
      );
      printRates(`${title}, ${rows.length} photos`, split, Number(values.splits));
      printGains(title, split);
      if (banks[0]) printAblations(title, split, ablations(banks[0].name, samples));
      printThresholdErrors(title, errors);
      if (faces && i === 0) await membershipReport({ embeddings, labels }, samples, 3);
    }
  } finally {
    await pool.close();
  }
}

/** The half that is tested. */
function testedBeside(half: Half, { embeddings, labels }: Half): Half {
  const known = new Set(half.labels);
  const rows = [...labels.keys()].filter((i) => !known.has(labels[i]!));
  return { embeddings: embeddings.gather(rows), labels: rows.map((i) => labels[i]!) };
}
