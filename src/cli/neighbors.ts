import { Command } from 'commander';
import { writeWhole } from '../files.js';
import type { InferencePool } from '../onnx/index.js';
import { foilSheet, openSupport, type Support } from '../pipeline/index.js';
import { generatorOfBank } from './bank-generator.js';
import { type BankOptions, storeOf, withBank } from './bank-options.js';
import { type CliContext, type ContextOf, print, printJson, say, warn, withPool } from './context.js';
import { FACE_OPTION, type FaceChoice, faceChoices } from './face-options.js';
import { type FaceModelOptions, withFaceModels } from './model-options.js';
import { whole } from './options.js';
import { type Query, queryOfNpy, queryOfPhotos } from './query.js';
import { table } from './table.js';

interface NeighborsOptions extends FaceModelOptions, BankOptions {
  readonly embedding?: string;
  readonly face?: FaceChoice[];
  readonly show: number;
  readonly exclude?: string[];
  readonly sheet?: string;
  readonly bankVersion?: string;
  readonly json?: boolean;
}

export function neighborsCommand(context: ContextOf): Command {
  const command = new Command('neighbors')
    .argument('[photo]', 'a photo (JPEG, PNG, WebP, AVIF)')
    .option('--embedding <file>', 'ask with the embeddings of this NumPy file instead of a photo')
    .option(...FACE_OPTION, faceChoices)
    .option('--show <count>', 'how many neighbours to list', whole(1, 10_000), 16)
    .option('--exclude <ids>', 'candidates that may not come back, by id, separated by commas', (ids) =>
      ids.split(','),
    )
    .option('--sheet <file.png>', 'a picture of the face beside its look-alikes (photos only)')
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      `
Examples:
  foilbank neighbors anna.jpg
  foilbank neighbors group.jpg --face 2 --show 5 --sheet anna.png
  foilbank neighbors --embedding faces.npy --json`,
    );
  return withFaceModels(withBank(command)).action(
    async (photo: string | undefined, options: NeighborsOptions, self: Command) => {
      if ((photo === undefined) === (options.embedding === undefined))
        self.error('error: give a photo or --embedding FILE, one of the two');
      if (photo === undefined && options.sheet !== undefined)
        self.error('error: --sheet needs a photo: an embedding has no picture');
      await neighbors(context(self), photo, options);
    },
  );
}

async function neighbors(
  context: CliContext,
  photo: string | undefined,
  options: NeighborsOptions,
): Promise<void> {
  await withPool(context, async (pool) => {
    const support = await openSupport(pool, storeOf(context), options.bank, {
      version: options.bankVersion,
      ...{ k: options.k, estimator: options.estimator },
    });
    try {
      const query =
        photo === undefined
          ? await queryOfNpy(options.embedding as string, support.search.dimension)
          : await queryOfPhotos(context, pool, support, [photo], options);
      await answer(context, pool, support, query, options);
    } finally {
      await support.close();
    }
  });
}

async function answer(
  context: CliContext,
  pool: InferencePool,
  support: Support,
  query: Query,
  options: NeighborsOptions,
): Promise<void> {
  const exclude = { identities: options.exclude ?? [] };
  const { bank, estimator } = support;
  const estimate = await estimator.estimate(query.embeddings, {
    exclude,
    neighbours: true,
    signal: context.signal,
  });
  const answers = query.names.map((name, i) => {
    const set = estimate.neighbours?.[i];
    if (!set) throw new TypeError('support sets were asked for');
    const shown = Math.min(options.show, set.rows.length);
    return {
      query: name,
      ...{ bank: bank.name, version: bank.version, estimator: estimate.estimator, k: estimate.k },
      ...{ r: estimate.r[i] as number, sigma: estimate.sigma[i] as number, n: estimate.n[i] as number },
      ...(estimate.outside ? { outside: estimate.outside[i] === 1 } : {}),
      warnings: support.warnings,
      complete: set.complete,
      keptOut: set.keptOut,
      engine: set.searched.engine,
      neighbors: Array.from({ length: shown }, (_, j) => {
        const row = set.rows[j] as number;
        const seed = bank.candidates.seeds[row] as number;
        return { id: support.identity(row), seed, similarity: set.similarities[j] as number };
      }),
    };
  });
  for (const warning of support.warnings) warn(warning);
  if (options.json) printJson(answers.length === 1 ? answers[0] : answers);
  else for (const one of answers) show(one);
  if (options.sheet !== undefined && query.faces?.[0] && answers[0])
    await writeSheet(context, pool, support, query.faces[0], answers[0], options.sheet);
}

interface Answer {
  readonly query: string;
  readonly bank: string;
  readonly version: string;
  readonly k: number;
  readonly r: number;
  readonly sigma: number;
  readonly n: number;
  readonly outside?: boolean;
  readonly complete: boolean;
  readonly keptOut: { readonly excluded: number; readonly aboveCeiling: number };
  readonly neighbors: readonly { readonly id: string; readonly seed: number; readonly similarity: number }[];
}

function show(answer: Answer): void {
  const { query, bank, version, n, r, sigma, keptOut, neighbors } = answer;
  print(
    `${query}: r ${r.toFixed(4)}, σ ${sigma.toFixed(4)} over ${n} candidates of bank ${bank} version ${version}`,
  );
  if (answer.outside) warn(`${query} is like nothing that was learned: the bank was looked up for it`);
  if (!answer.complete) warn(`only ${n} of ${answer.k} asked for: the bank has no more eligible candidates`);
  if (keptOut.aboveCeiling > 0) say(`${keptOut.aboveCeiling} above the same-person ceiling were kept out`);
  print(
    table(
      ['', 'candidate', 'seed', 'similarity'],
      neighbors.map(({ id, seed, similarity }, i) => [i + 1, id, String(seed), similarity.toFixed(4)]),
    ),
  );
}

async function writeSheet(
  context: CliContext,
  pool: InferencePool,
  support: Support,
  face: NonNullable<Query['faces']>[number],
  answer: Answer,
  file: string,
): Promise<void> {
  const generator = await generatorOfBank(context, support.bank);
  const png = await foilSheet(pool, generator, support.bank.manifest.inputs.psi, face, answer.neighbors);
  await writeWhole(file, png);
  say(`${file} written`);
}
