import { Command } from 'commander';
import type { Manifest } from '../bank/index.js';
import { learnBank, RateMeter } from '../pipeline/index.js';
import { DEFAULT_BANK, storeOf } from './bank-options.js';
import { type CliContext, type ContextOf, print, printJson, say, warn, withPool } from './context.js';
import { describeBank } from './describe-bank.js';
import { whole } from './options.js';
import { type ProgressView, progressView } from './progress.js';

interface LearnOptions {
  readonly lessons: number;
  readonly steps: number;
  readonly json?: boolean;
}

export function learnCommand(context: ContextOf): Command {
  return new Command('learn')
    .argument('[bank]', 'its name', DEFAULT_BANK)
    .option('--lessons <count>', 'queries to learn from', whole(500, 1_000_000), 72_000)
    .option('--steps <count>', 'most steps of learning', whole(1, 1_000_000), 3000)
    .option('--json', 'progress and result as JSON lines')
    .addHelpText(
      'after',
      `
Trains a small network to answer as the bank does, r and σ at its K, and publishes it beside the same candidates. It answers without
looking at a candidate, so that large banks cost no more than small ones; what it has not learned it gives to the bank. Ask it
with --estimator learned. Learn again after a calibration, a refresh, or another K.

Examples:
  foilbank learn default
  foilbank align anna-2019.jpg anna-2024.jpg --estimator learned`,
    )
    .action(async (name: string, options: LearnOptions, self: Command) =>
      learn(context(self), name, options),
    );
}

async function learn(context: CliContext, bank: string, options: LearnOptions): Promise<void> {
  const { json = false, lessons, steps } = options;
  const view = views(json);
  const manifest = await withPool(context, (pool) =>
    learnBank({
      ...{ pool, bank, lessons, steps, store: storeOf(context), signal: context.signal },
      onProgress: view.update,
    }),
  ).finally(view.stop);
  if (!json) {
    say(`bank ${bank}: version ${manifest.version} is in service`);
    print(describeBank(manifest));
  } else
    printJson({ event: 'published', bank, version: manifest.version, learned: manifest.parameters.learned });
  for (const warning of warningsOf(manifest)) warn(warning);
}

function warningsOf({ bank, parameters }: Manifest): string[] {
  return parameters.calibration.kind === 'none'
    ? [
        `bank ${bank} is not calibrated: it was learned as it is, and knows no more of real faces than the bank does`,
      ]
    : [];
}

/** A view for each of the two long steps. */
function views(json: boolean) {
  let shown: { step: string; view: ProgressView; meter: RateMeter } | undefined;
  return {
    update: (step: 'asking' | 'learning', done: number, total: number, error?: number) => {
      if (shown?.step !== step) {
        shown?.view.stop();
        const unit = step === 'asking' ? 'queries' : 'steps';
        shown = { step, view: progressView(step, unit, json), meter: new RateMeter(total) };
      }
      const note = error === undefined ? undefined : `error ${(100 * error).toFixed(1)} %`;
      shown.view.update(shown.meter.update(done), note);
    },
    stop: () => shown?.view.stop(),
  };
}
