import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openBank, openStore } from '../src/bank/index.js';
import { resolveConfig } from '../src/config.js';
import { CohortEstimator } from '../src/discrepancy/index.js';
import {
  evaluateSplits,
  FARS,
  gainOf,
  identityOfPhoto,
  mixedQuality,
  type SplitRow,
} from '../src/evaluation/index.js';
import { PhotoEmbeddings } from '../src/faces/index.js';
import { findModel, InferencePool } from '../src/onnx/index.js';
import { UnitMatrix } from '../src/vectors/index.js';
import { chosenFoils, foils } from './support/foils.js';
import { imitations } from './support/imitations.js';
import { membershipReport } from './support/membership-report.js';

const OPTIONS = {
  photos: { type: 'string', default: '../shared/lfw-dev/images' },
  store: { type: 'string', default: 'out/evaluate/banks' },
  /** Banks without a calibration, separated by commas: the first one's mixture is shown alone too. */
  bank: { type: 'string' },
  version: { type: 'string' },
  samples: { type: 'string', default: '1000,200' },
  splits: { type: 'string', default: '5' },
  k: { type: 'string', default: '8,16,64,256' },
  /** What is learned of a bank, and the closed form, beside it: takes a minute more a split. */
  learned: { type: 'boolean', default: false },
  resamples: { type: 'string', default: '400' },
  cache: { type: 'string', default: 'out/evaluate/embeddings' },
  /** Which tables: clean, mixed or both. */
  quality: { type: 'string', default: 'clean,mixed' },
  /** Whether to choose settings on the half that is not tested too: half of the time. */
  chosen: { type: 'boolean', default: true },
} as const;

/**
 * The table of accuracy on identities that nothing was calibrated with or chosen by: raw, a cohort of real photos of the other half, and,
 * where an uncalibrated bank is named, its faces: as they are, and calibrated anew in each split on unlabelled photos of the other
 * half, with the mixture alone and without it, and with settings chosen on the other half too; at the photos' own and at mixed quality.
 * g = (TAR − raw) / (best cohort − raw).
 */
export async function benchEvaluate(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS, allowNegative: true });
  const { cards, cache } = resolveConfig();
  const folders = { cards, cache };
  const [embedder, detector, landmarks] = await Promise.all([
    findModel(folders, 'recogniser', 'embedder'),
    findModel(folders, 'detector', 'detector'),
    findModel(folders, 'landmarks', 'landmarks'),
  ]);
  const files = (await readdir(values.photos).catch(() => [])).filter((name) => /\.jpe?g$/.test(name)).sort();
  if (files.length === 0) {
    console.log(`SKIPPED: no photos are in ${values.photos}`);
    return;
  }
  const pool = new InferencePool();
  try {
    const reader = new PhotoEmbeddings(pool, { faceBox: 'whole', cache: values.cache });
    const paths = files.map((name) => join(values.photos, name));
    const models = { embedder, detector, landmarks };
    const tables: { title: string; found: (Float32Array | undefined)[] }[] = [];
    for (const quality of values.quality.split(',')) {
      const change = quality === 'mixed' ? mixedQuality(1) : undefined;
      const title = change ? 'mixed quality' : 'the photos as they are';
      tables.push({ title, found: await reader.embed(paths, models, { change }) });
    }
    const rows = files.flatMap((_, i) => (tables.every(({ found }) => found[i]) ? [i] : []));
    const { dimension } = embedder.card.output;
    const labels = rows.map((i) => identityOfPhoto(files[i]!, '.'));
    const ks = values.k.split(',').map(Number);
    const banks: { name: string; faces: UnitMatrix }[] = [];
    for (const name of values.bank?.split(',') ?? [])
      banks.push({ name, faces: await facesOfBank(values.store, name, values.version) });
    const faces = banks[0]?.faces;
    const samples = values.samples.split(',').map(Number);
    for (const [i, { title, found }] of tables.entries()) {
      const vectors = rows.map((row) => UnitMatrix.adopt(found[row]!, dimension));
      const embeddings = UnitMatrix.concat(vectors, dimension);
      const split = await evaluateSplits(
        pool,
        { embeddings, labels },
        async (half, split) => {
          const cohort = await CohortEstimator.create({
            ...{ pool, embeddings: half.embeddings, identities: half.labels, k: 1 },
          });
          const virtual = await foils(pool, banks, half, samples, split);
          const standIns =
            values.learned && faces
              ? await imitations(pool, faces, half.embeddings, samples[0]!, split)
              : undefined;
          const best =
            faces && values.chosen ? await chosenFoils(pool, faces, half, samples[0]!, split) : undefined;
          if (best) console.log(`  ${title}, split ${split + 1} chose ${best.said}`);
          return {
            estimators: [
              ...ks.map((k) => cohort.withK(k)),
              ...virtual.estimators,
              ...(standIns?.estimators ?? []),
            ],
            chosen: best?.chosen ?? [],
            close: async () => {
              await Promise.all([cohort.close(), virtual.close(), best?.close(), standIns?.close()]);
            },
          };
        },
        { splits: Number(values.splits), resamples: Number(values.resamples) },
      );
      print(title, split, Number(values.splits), rows.length);
      if (faces && i === 0) await membershipReport({ embeddings, labels }, samples, 3);
    }
  } finally {
    await pool.close();
  }
}

/** A bank's faces as their pictures were embedded. */
async function facesOfBank(store: string, name: string, version?: string): Promise<UnitMatrix> {
  const { candidates, manifest } = await openBank(
    openStore(store, { cache: store }),
    name,
    version ? { version } : {},
  );
  if (manifest.parameters.calibration.kind !== 'none')
    throw new TypeError(`bank ${name} is calibrated; name a version that is not, with --version`);
  return UnitMatrix.adopt(candidates.embeddings, candidates.dimension, name);
}

const AT = [FARS.indexOf(1e-4), FARS.indexOf(1e-5)];

function print(title: string, rows: readonly SplitRow[], splits: number, photos: number): void {
  const raw = rows[0]!;
  const real = rows.filter(({ estimator }) => estimator?.startsWith('cohort'));
  const best = AT.map((at) =>
    real.reduce((a, b) => (b.points[at]!.tar > a.points[at]!.tar ? b : a), real[0]!),
  );
  console.log(
    `\n${title}: ${photos} photos, mean of ${splits} halvings by identity, TAR in % [95 %], g at 1e-4 and 1e-5`,
  );
  for (const row of rows) {
    const name =
      row.estimator === undefined
        ? 'raw'
        : `${row.operator}, ${row.estimator.split('/')[0]}${row.k === undefined ? '' : ` K ${row.k}`}`;
    const tars = row.points.slice(0, 4).map(({ tar, interval }) => {
      const range = interval ? ` [${interval.map((x) => (100 * x).toFixed(1)).join('–')}]` : '';
      return `${(100 * tar).toFixed(1)}${range}`.padEnd(18);
    });
    const gains = AT.map((at, i) => {
      const { g, interval } = gainOf(row, raw, best[i]!, at);
      return `${g.toFixed(2)}${interval ? ` [${interval.map((x) => x.toFixed(2)).join(', ')}]` : ''}`.padEnd(
        20,
      );
    });
    console.log(`  ${name.padEnd(40)}${tars.join(' ')}${row === raw ? '' : gains.join(' ')}`);
  }
}
