import { Command } from 'commander';
import { showBank } from '../bank/index.js';
import { gainInWords, isLearned, type Tuning, wordsOf } from '../evaluation/index.js';
import { type TuneResult, tuneBank } from '../pipeline/index.js';
import { OPERATORS, operatorId } from '../scoring/index.js';
import { DEFAULT_BANK, storeOf } from './bank-options.js';
import { type CliContext, type ContextOf, print, printJson, say, warn, withPool } from './context.js';
import { collectionOf, type InputOptions, withInputs } from './evaluate-inputs.js';
import { checkEmbedder, type FaceModelOptions, faceModels, withFaceModels } from './model-options.js';
import { real, whole } from './options.js';
import { stepsView } from './progress.js';
import { table } from './table.js';

interface TuneOptions extends FaceModelOptions, InputOptions {
  readonly bank: string;
  readonly at?: number;
  readonly splits: number;
  readonly resamples: number;
  readonly dryRun?: boolean;
}

export function tuneCommand(context: ContextOf): Command {
  const command = withInputs(new Command('tune'))
    .option('--pairs <file>', 'CSV file a,b,same: judge by these pairs, not by every pair of two photos')
    .option('--bank <name>', 'support bank', DEFAULT_BANK)
    .option(
      '--at <rate>',
      'false accept rate to be best at (default: the strictest of 1e-2 to 1e-4 that the photos can carry)',
      real(1e-9, 0.5),
    )
    .option(
      '--splits <count>',
      'halvings of the people: each half chooses, the other judges',
      whole(1, 100),
      5,
    )
    .option('--resamples <count>', 'resamples of the people, for 95 % intervals', whole(20, 10_000), 400)
    .option('--dry-run', 'say what would be chosen and publish nothing')
    .option('--json', 'progress and result as JSON lines')
    .addHelpText(
      'after',
      `
Tries ${OPERATORS.join(', ')} with several K and λ on labelled photos, by looking the bank up and by
what was learned of it (foilbank learn), and publishes the best as a new version of the bank with what it gains. The gain is measured
on people who had no part in the choice. Where no alignment is better than the raw similarity with confidence, the bank recommends
none and says why. Embeddings are kept: a stopped run goes on where it stopped.

Examples:
  foilbank tune photos/ --bank default --dry-run
  foilbank tune --embeddings faces.npy --labels who.txt --at 1e-3`,
    );
  return withFaceModels(command).action(
    async (photos: string | undefined, options: TuneOptions, self: Command) =>
      tune(context(self), photos, options),
  );
}

async function tune(context: CliContext, photos: string | undefined, options: TuneOptions): Promise<void> {
  const { bank, json = false, splits, resamples, seed, dryRun = false } = options;
  const { signal } = context;
  const store = storeOf(context);
  const service = await showBank(store, bank);
  const { result, warnings } = await withPool(context, async (pool) => {
    const models = await faceModels(context, options);
    if (photos !== undefined) checkEmbedder(service, models);
    const collection = await collectionOf(context, pool, models, photos, options);
    const views = new Map<string, ReturnType<typeof stepsView>>();
    const { embeddings, labels, pairs, warnings, examples } = collection;
    const result = await tuneBank({
      ...{ pool, store, bank, embeddings, labels, pairs, far: options.at },
      ...{ splits, resamples, seed, dryRun, signal },
      onProgress: (step, done, total) => {
        const view = views.get(step) ?? stepsView(step, 'photos', total, json);
        views.set(step, view);
        view.update(done);
        if (done === total) view.stop();
      },
      onStep: (step) => !json && say(step),
    }).finally(() => {
      for (const view of views.values()) view.stop();
    });
    return { result, warnings: [...warnings, ...examples, ...outgrown(result)] };
  });
  if (json) return printJson({ event: 'tuned', bank, ...jsonOf(result), warnings });
  for (const warning of warnings) warn(warning);
  print(tablesOf(result.tuning));
  const { manifest } = result;
  print(`\n${result.tuning.better ? '' : 'none recommended: '}${result.tuning.reason}`);
  say(manifest ? `bank ${bank}: version ${manifest.version} is in service` : 'nothing was published');
}

function outgrown({ manifest }: TuneResult): string[] {
  const { learned, neighbours } = manifest?.parameters ?? {};
  return learned && learned.neighbours !== neighbours
    ? [`what was learned of the bank is of K ${learned.neighbours}: foilbank learn learns K ${neighbours}`]
    : [];
}

const percent = (rate: number): string => (100 * rate).toFixed(1);
/** Ways of scoring that are shown besides raw. */
const SHOWN = 8;

function tablesOf({ gains, far, tried, choices }: Tuning): string {
  const sorted = [...tried.slice(1)].sort((a, b) => b.tar - a.tar);
  // The best that was learned is told in any case.
  const best = sorted.filter((one, i) => i < SHOWN || one === sorted.find(isLearned));
  const counts = new Map<string, number>();
  for (const choice of choices) counts.set(wordsOf(choice), (counts.get(wordsOf(choice)) ?? 0) + 1);
  return [
    'Gain over raw in points, by people who had no part in the choice',
    table(
      ['FAR', 'raw', 'chosen', 'gain [95 %]'],
      gains.map((one) => [
        `${one.far.toExponential()}${one.far === far ? ' ←' : ''}`,
        ...[percent(one.raw), percent(one.aligned), gainInWords(one)],
      ]),
    ),
    `\nWhat halves of the people chose: ${[...counts].map(([which, n]) => `${which} (${n})`).join('; ')}`,
    `\nTrue accept rate in % at FAR ${far.toExponential()} over all people, chosen and judged by the same`,
    table(
      ['score', 'TAR'],
      [tried[0]!, ...best].map((one) => [wordsOf(one), percent(one.tar)]),
    ),
  ].join('\n');
}

function jsonOf({ tuning, manifest, before }: TuneResult) {
  const named = ({ operator, lambda, k, estimator }: Tuning['chosen']) => ({
    ...{ operator: operatorId(operator), k: k ?? null, lambda: operator === 'shift' ? lambda : null },
    estimator: estimator ?? null,
  });
  const { chosen, choices, tried, gains, ...rest } = tuning;
  return {
    version: manifest?.version ?? null,
    before: { operator: before.operator, k: before.neighbours, lambda: before.lambda },
    ...rest,
    chosen: named(chosen),
    gains: gains.map((one) => ({ ...one, interval: one.interval ?? null })),
    choices: choices.map(named),
    tried: tried.map((one) => ({ ...named(one), tar: one.tar })),
  };
}
