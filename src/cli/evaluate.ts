import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { keepEvaluation } from '../bank/index.js';
import {
  CohortEstimator,
  type DiscrepancyEstimate,
  type Estimator,
  virtualWithTypicals,
} from '../discrepancy/index.js';
import { FoilbankError } from '../errors.js';
import {
  alignmentsOf,
  checkIdentities,
  evaluateCollection,
  evaluateSplits,
  IdentityResamples,
  identitiesOf,
  type SplitRow,
  splitTable,
  tablesOf,
} from '../evaluation/index.js';
import type { InferencePool } from '../onnx/index.js';
import { ESTIMATORS, type EstimatorName, openSupport, type Support } from '../pipeline/index.js';
import { storeOf } from './bank-options.js';
import { type CliContext, type ContextOf, print, printJson, say, warn, withPool } from './context.js';
import { type Collection, collectionOf, type InputOptions, withInputs } from './evaluate-inputs.js';
import { withRecommended } from './evaluate-recommended.js';
import { evaluationJson, writeReport } from './evaluate-report.js';
import { checkEmbedder, type FaceModelOptions, faceModels, withFaceModels } from './model-options.js';
import { real, whole } from './options.js';
import { stepsView } from './progress.js';
import { table } from './table.js';

interface EvaluateOptions extends FaceModelOptions, InputOptions {
  readonly bank?: string;
  readonly bankVersion?: string;
  readonly estimator: EstimatorName;
  readonly cohort: boolean;
  readonly k: number[];
  readonly lambda: number;
  readonly splits: number;
  readonly resamples: number;
  readonly far: number;
  readonly out?: string;
  readonly attach?: boolean;
}

export function evaluateCommand(context: ContextOf): Command {
  const command = withInputs(new Command('evaluate'))
    .option('--pairs <file>', 'CSV file a,b,same: ten-fold accuracy on these pairs too')
    .option('--groups <file>', 'CSV file name,group of photos or identities: false matches by group')
    .option('--bank <name>', 'support bank to evaluate; without it only the cohort')
    .option('--bank-version <version>', 'a version of it other than the one in service')
    .addOption(
      new Option('--estimator <name>', 'what was learned of the bank (foilbank learn) beside its lookup')
        .choices(ESTIMATORS)
        .default('virtual'),
    )
    .option('--no-cohort', 'leave out the reference: real look-alikes among the other people of the photos')
    .option(
      '--k <counts>',
      'sizes of support sets besides the one of the bank, separated by commas',
      counts,
      [16, 64, 256],
    )
    .option('--lambda <number>', 'strength of shift', real(0, 4), 1)
    .option(
      '--splits <count>',
      'halve the people at random so often; cohorts are then of the other half',
      whole(0, 100),
      0,
    )
    .option('--resamples <count>', 'resamples of the people, for 95 % intervals', whole(20, 10_000), 400)
    .option(
      '--far <rate>',
      'false accept rate of the thresholds for identification, groups and flipped pairs',
      real(1e-9, 0.5),
      1e-4,
    )
    .option('--out <folder>', 'write report.html, report.json and the plots as PNG there')
    .option(
      '--attach',
      'keep the figures beside the version of the bank, for the studio: no photo, no name of a photo',
    )
    .option('--json', 'progress and result as JSON lines')
    .addHelpText(
      'after',
      `
Scores every pair of photos, raw and aligned: by virtual faces of a bank, and by a cohort of real ones, the reference.
Without --splits the cohort is everybody else among the photos, which no service could have; with --splits it is people
who are not tested. With --mixed everybody's photos are degraded, the cohort's too. Embeddings are kept, so a stopped run goes on where it stopped.

Examples:
  foilbank evaluate photos/ --bank default --out report/ --attach
  foilbank evaluate crops/ --whole --pairs pairs.csv --mixed --out report-mixed/
  foilbank evaluate --embeddings faces.npy --labels who.txt --splits 5 --json`,
    );
  return withFaceModels(command).action(
    async (photos: string | undefined, options: EvaluateOptions, self: Command) =>
      evaluate(context(self), photos, options),
  );
}

function counts(value: string): number[] {
  const list = value.split(',').map(Number);
  if (list.some((k) => !Number.isInteger(k) || k < 1))
    throw new InvalidArgumentError('Give whole numbers from 1, separated by commas.');
  return list;
}

async function evaluate(
  context: CliContext,
  photos: string | undefined,
  options: EvaluateOptions,
): Promise<void> {
  if (options.bank === undefined && options.estimator !== 'virtual')
    throw new FoilbankError('FB_OPTION_INVALID', {
      ...{ option: 'estimator', value: options.estimator, expected: 'of use without --bank' },
    });
  if (options.bank === undefined && options.attach)
    throw new FoilbankError('FB_OPTION_INVALID', {
      ...{ option: 'attach', value: 'given', expected: 'of use without --bank' },
    });
  await withPool(context, async (pool) => {
    const models = await faceModels(context, options);
    const collection = await collectionOf(context, pool, models, photos, options);
    const identities = identitiesOf(collection.labels);
    checkIdentities(identities);
    const support =
      options.bank === undefined
        ? undefined
        : await openSupport(pool, storeOf(context), options.bank, {
            ...{ version: options.bankVersion, estimator: options.estimator },
          });
    try {
      if (support) {
        const { manifest } = support.bank;
        if (photos !== undefined) checkEmbedder(manifest, models);
        collection.embeddings.expect(manifest.inputs.embedder.dimension, 'embeddings');
      }
      const bank = support?.bank.manifest;
      const estimates = await estimatesOf(context, pool, collection, support, options);
      const ways = alignmentsOf(collection.embeddings.rows, estimates, undefined, options.lambda);
      const view = stepsView('scoring pairs', 'photos', collection.embeddings.rows, options.json);
      const evaluation = await evaluateCollection(pool, collection.embeddings, identities, {
        alignments: bank ? withRecommended(bank, ways, estimates) : ways,
        resamples: new IdentityResamples(identities.names, options.resamples, options.seed),
        ...{ pairs: collection.pairs, groups: collection.groups, threshold: options.far },
        signal: context.signal,
        onProgress: view.update,
      }).finally(view.stop);
      const splits =
        options.splits > 0 ? await halvings(context, pool, collection, support, options) : undefined;
      const warnings = [
        ...collection.warnings,
        ...(support?.warnings ?? []),
        ...estimates.flatMap(lookedUpIn),
        ...evaluation.warnings,
      ];
      const told = [...warnings, ...collection.examples];
      const all = { evaluation, splits, identities, estimates, collection, warnings, bank, options };
      if (options.out !== undefined) await writeReport(options.out, { ...all, warnings: told });
      if (options.attach && bank)
        await keepEvaluation(storeOf(context), bank.bank, bank.version, evaluationJson(all));
      if (options.json)
        return printJson({ event: 'evaluated', ...evaluationJson({ ...all, warnings: told }) });
      for (const warning of told) warn(warning);
      const tables = [...tablesOf(evaluation), ...(splits ? [splitTable(splits, options.splits)] : [])];
      for (const { title, head, rows } of tables) print(`\n${title}\n${table(head, rows)}`);
      if (options.out !== undefined) say(`\n→ ${join(options.out, 'report.html')}`);
      if (options.attach) say(`\n→ beside version ${bank?.version} of bank ${bank?.bank}`);
    } finally {
      await support?.close();
    }
  });
}

function lookedUpIn({ outside }: DiscrepancyEstimate): string[] {
  const count = outside?.reduce((sum, x) => sum + x, 0) ?? 0;
  return count === 0
    ? []
    : [
        `${count} of ${outside?.length} photos are like nothing that was learned: the bank was looked up for them`,
      ];
}

/** What was learned of the bank, where it was asked for and is there. */
const learnedOf = (support: Support | undefined): Estimator[] =>
  support && support.estimator !== support.virtual ? [support.estimator] : [];

/** r and σ of every photo from everything that is compared. A cohort never serves a person's own photos as look-alikes. */
async function estimatesOf(
  context: CliContext,
  pool: InferencePool,
  { embeddings, labels }: Collection,
  support: Support | undefined,
  options: EvaluateOptions,
): Promise<DiscrepancyEstimate[]> {
  const { signal } = context;
  const estimates: DiscrepancyEstimate[] = [];
  if (support) {
    const { search, bank } = support;
    const ks = [...new Set([...options.k, bank.manifest.parameters.neighbours])]
      .filter((k) => k <= search.candidates)
      .sort((a, b) => a - b);
    const asked = await virtualWithTypicals(support, ks, { signal });
    estimates.push(...(await asked.estimateSizes(embeddings, ks, { signal })));
  }
  for (const learned of learnedOf(support)) estimates.push(await learned.estimate(embeddings, { signal }));
  if (!options.cohort) return estimates;
  const sizes = options.k.filter((k) => k < embeddings.rows);
  const cohort = await CohortEstimator.create({ pool, embeddings, identities: labels, k: 1, sizes });
  try {
    const exclude = labels.map((label) => ({ identities: [label] }));
    for (const k of sizes) estimates.push(await cohort.withK(k).estimate(embeddings, { exclude, signal }));
  } finally {
    await cohort.close();
  }
  return estimates;
}

async function halvings(
  context: CliContext,
  pool: InferencePool,
  { embeddings, labels }: Collection,
  support: Support | undefined,
  { k, cohort, splits, resamples, seed, lambda, json }: EvaluateOptions,
): Promise<SplitRow[]> {
  const view = stepsView('halvings', 'splits', splits, json);
  const sizes = k.filter((n) => n <= (support?.search.candidates ?? 0));
  const asked = support && (await virtualWithTypicals(support, sizes, { signal: context.signal }));
  const virtual = asked ? [...sizes.map((n) => asked.withK(n)), ...learnedOf(support)] : [];
  return evaluateSplits(
    pool,
    { embeddings, labels },
    async (half) => {
      if (!cohort) return { estimators: virtual, close: async () => {} };
      const real = k.filter((n) => n <= half.embeddings.rows);
      const others = await CohortEstimator.create({
        ...{ pool, embeddings: half.embeddings, identities: half.labels, k: 1, sizes: real },
      });
      return { estimators: [...virtual, ...real.map((n) => others.withK(n))], close: () => others.close() };
    },
    { splits, resamples, seed, lambda, signal: context.signal, onProgress: view.update },
  ).finally(view.stop);
}
