import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Command } from 'commander';
import { FileStore } from '../bank/index.js';
import { FaceReader } from '../faces/index.js';
import { writeWhole } from '../files.js';
import type { InferencePool } from '../onnx/index.js';
import {
  buildBank,
  type Comparison,
  comparePairs,
  DEFAULT_NETWORKS,
  findNetworks,
  foilSheet,
  matrixOf,
  type Networks,
  openSupport,
  readFace,
  type Support,
  sheetOfSeeds,
} from '../pipeline/index.js';
import { resolveOperatorSettings } from '../scoring/index.js';
import { Generator } from '../synthesis/index.js';
import { type CliContext, type ContextOf, modelFolders, print, say, warn, withPool } from './context.js';
import { type NetworkOptions, withFaceModels } from './model-options.js';
import { whole } from './options.js';
import { duration, progressView } from './progress.js';
import { table } from './table.js';

interface DemoOptions extends NetworkOptions {
  readonly out: string;
  readonly size: number;
}

/** Faces of the sample photos that the package of the default networks ships, numbered from left to right. */
const FACES = [
  { label: 'A', photo: 'sample1.jpg', face: 3 },
  { label: 'A again', photo: 'sample3.jpg', face: 2 },
  { label: 'B', photo: 'sample3.jpg', face: 1 },
  { label: 'C', photo: 'sample6.jpg', face: 4 },
] as const;
/** Two photos of one person, then pairs of different people. */
const PAIRS = [
  { pair: [0, 1], truth: 'same person' },
  { pair: [0, 2], truth: 'different people' },
  { pair: [1, 3], truth: 'different people' },
] as const;

export function demoCommand(context: ContextOf): Command {
  const command = new Command('demo')
    .option('--out <folder>', 'where bank and pictures go', join('out', 'demo'))
    .option('--size <count>', 'virtual faces', whole(100, 100_000), 2000)
    .option('--generator <card>', 'model card of the generator', DEFAULT_NETWORKS.generator);
  return withFaceModels(command).action(async (options: DemoOptions, self: Command) =>
    demo(context(self), options),
  );
}

async function demo(context: CliContext, options: DemoOptions): Promise<void> {
  const started = performance.now();
  const networks = await findNetworks(modelFolders(context), options);
  const store = new FileStore(join(options.out, 'banks'));
  await withPool(context, async (pool) => {
    const view = progressView('virtual faces', 'seeds', false);
    const { manifest } = await buildBank({
      ...{ pool, store, networks, bank: 'demo', signal: context.signal },
      options: { size: options.size },
      onProgress: (progress, accepted) => view.update(progress, `${accepted} detected`),
      onStep: () => view.stop(),
    }).finally(() => view.stop());
    const { generated, accepted } = manifest.counts;
    say(`bank of ${accepted} virtual faces out of ${generated} seeds`);
    const support = await openSupport(pool, store, 'demo');
    try {
      await lookAndCompare(pool, support, networks, options.out);
    } finally {
      await support.close();
    }
  });
  say(`done in ${duration((performance.now() - started) / 1000)}`);
}

async function lookAndCompare(pool: InferencePool, support: Support, networks: Networks, out: string) {
  const { bank, estimator } = support;
  const { psi } = bank.manifest.inputs;
  const samples = join(
    dirname(createRequire(import.meta.url).resolve('@vladmandic/face-api/package.json')),
    'demo',
  );
  const reader = await FaceReader.open(pool, networks);
  const faces = await Promise.all(
    FACES.map(({ photo, face }) => readFace(reader, join(samples, photo), face)),
  );
  const embeddings = matrixOf(
    faces.map((f) => f.embedding),
    networks.embedder.card.output.dimension,
  );
  const { neighbours } = await estimator.estimate(embeddings.slice(0, 1), { neighbours: true });
  const nearest = neighbours?.[0];
  if (!nearest) throw new TypeError('support sets were asked for');
  const foils = Array.from(nearest.rows.subarray(0, 16), (row, i) => ({
    id: support.identity(row),
    seed: bank.candidates.seeds[row] as number,
    similarity: nearest.similarities[i] as number,
  }));
  const caption = `${FACES[0].label}: ${FACES[0].photo}, face ${FACES[0].face}`;
  const generator = await Generator.open(pool, networks.generator);
  const pictures = {
    'bank.png': await sheetOfSeeds(pool, generator, bank.candidates.seeds.subarray(0, 96), psi),
    'look-alikes.png': await foilSheet(pool, networks.generator, psi, faces[0]!, foils, caption),
  };
  for (const [name, png] of Object.entries(pictures)) await writeWhole(join(out, name), png);
  print(await scoreTable(support, embeddings));
  for (const warning of support.warnings) warn(warning);
  say(
    `pictures: ${Object.keys(pictures)
      .map((name) => join(out, name))
      .join(', ')}`,
  );
}

async function scoreTable(
  { estimator, bank }: Support,
  embeddings: Parameters<typeof comparePairs>[1],
): Promise<string> {
  const pairs = PAIRS.map(({ pair }) => pair);
  const { neighbours, lambda } = bank.manifest.parameters;
  const compare = (operator: 'shift' | 'standardise') =>
    comparePairs(estimator, embeddings, pairs, resolveOperatorSettings({ operator, lambda }));
  const [shifted, standardised] = await Promise.all([compare('shift'), compare('standardise')]);
  const rows = PAIRS.map(({ pair, truth }, i) => {
    const { raw, aligned, discrepancies } = shifted[i] as Comparison;
    const [a, b] = pair.map((face) => FACES[face]!.label);
    return [
      ...[`${a} – ${b}`, truth, raw.toFixed(4)],
      ...discrepancies.map(({ r, sigma }) => `${r.toFixed(3)} ± ${sigma.toFixed(3)}`),
      ...[aligned.toFixed(4), (standardised[i] as Comparison).aligned.toFixed(2)],
    ];
  });
  const head = ['pair', 'truth', 'raw', 'r ± σ left', 'r ± σ right', 'shift', 'standardise'];
  return `\nK = ${neighbours} look-alikes a face, out of ${bank.manifest.counts.accepted}\n${table(head, rows)}\n`;
}
