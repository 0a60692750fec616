import { Command } from 'commander';
import { type BuildOptions, buildBank } from '../pipeline/index.js';
import { DEFAULT_BANK, storeOf } from './bank-options.js';
import { type CliContext, type ContextOf, print, printJson, say, withPool } from './context.js';
import { describeBank } from './describe-bank.js';
import { DEFAULT_GENERATOR, type NetworkOptions, networksOf, withFaceModels } from './model-options.js';
import { real, whole } from './options.js';
import { progressView } from './progress.js';

interface BuildCliOptions extends NetworkOptions, Partial<BuildOptions> {
  readonly minScore?: number;
  readonly k?: number;
  readonly force?: boolean;
  readonly json?: boolean;
}

export function bankBuildCommand(context: ContextOf): Command {
  const command = new Command('build')
    .description('generate virtual faces, gate, index and publish them as a new version')
    .argument('[bank]', 'its name', DEFAULT_BANK)
    .option('--size <count>', 'candidates wanted', whole(1, 2_000_000), 20_000)
    .option('--generator <card>', 'model card of the generator, by name or path', DEFAULT_GENERATOR);
  return withFaceModels(command)
    .option('--psi <number>', 'truncation (default: what the generator recommends)', real(0, 2))
    .option('--first-seed <seed>', 'first latent seed', whole(0, Number.MAX_SAFE_INTEGER))
    .option('--min-score <number>', 'detector score that a face must reach', real(0, 1))
    .option(
      '--duplicate-ceiling <number>',
      'similarity above which a face is a near-duplicate (default: halfway from the same-person ceiling to 1)',
      real(-1, 1),
    )
    .option('--engine <name>', 'auto, exact or hnsw', 'auto')
    .option('--operator <name>', 'operator that the bank recommends: none, shift, standardise')
    .option(
      '--k <count>',
      'K, size of a support set (default: 2 % of the candidates, 16 to 1,024)',
      whole(1, 2_000_000),
    )
    .option('--lambda <number>', 'strength of shift', real(0, 4))
    .option('--chunk-size <count>', 'seeds a chunk, which an interruption can lose', whole(1, 8192))
    .option('--force', 'publish again although nothing changed')
    .option('--json', 'progress and result as JSON lines')
    .addHelpText(
      'after',
      `
An interrupted build goes on where it stopped when the same command is given again.

Examples:
  foilbank bank build --size 2000
  foilbank bank build lookalikes --size 50000 --generator my-models/stylegan.json --psi 0.8`,
    )
    .action(async (name: string, options: BuildCliOptions, self: Command) =>
      build(context(self), name, options),
    );
}

/** Only what was given: an absent option keeps its default. */
function buildOptions(options: BuildCliOptions): Partial<BuildOptions> {
  const { size, psi, firstSeed, minScore, duplicateCeiling, engine, operator, k, lambda, chunkSize } =
    options;
  const given = {
    size,
    psi,
    firstSeed,
    minimumScore: minScore,
    duplicateCeiling,
    engine,
    operator,
    neighbours: k,
    lambda,
    chunkSize,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

async function build(context: CliContext, name: string, options: BuildCliOptions): Promise<void> {
  const json = options.json ?? false;
  const networks = await networksOf(context, options);
  const view = progressView('faces', 'seeds', json);
  const { manifest, built } = await withPool(context, (pool) =>
    buildBank({
      ...{ pool, networks, bank: name, store: storeOf(context), signal: context.signal },
      options: buildOptions(options),
      force: options.force ?? false,
      onProgress: (progress, accepted) => view.update(progress, `${accepted} detected`),
      onStep: (step) => {
        view.stop();
        if (json) printJson({ event: 'step', step });
        else say(step);
      },
    }),
  ).finally(() => view.stop());
  if (json)
    return printJson({
      event: built ? 'published' : 'unchanged',
      bank: name,
      version: manifest.version,
      manifest,
    });
  say(
    built
      ? `bank ${name}: version ${manifest.version} is in service`
      : `bank ${name}: version ${manifest.version} has these inputs already (--force publishes again)`,
  );
  print(describeBank(manifest));
}
