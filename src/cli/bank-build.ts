import { Command } from 'commander';
import { buildBank, findNetworks, inService, networkNames } from '../pipeline/index.js';
import { DEFAULT_BANK, storeOf } from './bank-options.js';
import { type BuildCliOptions, buildOptionsOf, withBuildOptions } from './build-options.js';
import { type CliContext, type ContextOf, modelFolders, print, printJson, say, withPool } from './context.js';
import { describeBank } from './describe-bank.js';
import { type NetworkOptions, namedNetworks, withKeptNetworks } from './model-options.js';
import { whole } from './options.js';
import { progressView } from './progress.js';

type Options = Partial<NetworkOptions> & BuildCliOptions;

export function bankBuildCommand(context: ContextOf): Command {
  const command = new Command('build')
    .description('generate virtual faces, gate, index and publish them as a new version')
    .argument('[bank]', 'its name', DEFAULT_BANK)
    .option('--size <count>', 'candidates wanted', whole(1, 2_000_000), 20_000);
  return withBuildOptions(withKeptNetworks(command))
    .addHelpText(
      'after',
      `
An interrupted build goes on where it stopped when the same command is given again.

Examples:
  foilbank bank build --size 2000
  foilbank bank build lookalikes --size 50000 --generator my-models/stylegan.json --psi 0.8`,
    )
    .action(async (name: string, options: Options, self: Command) => build(context(self), name, options));
}

async function build(context: CliContext, name: string, options: Options): Promise<void> {
  const { json = false, force = false } = options;
  const store = storeOf(context);
  const service = await inService(store, name, force);
  const networks = await findNetworks(modelFolders(context), networkNames(service, namedNetworks(options)));
  const view = progressView('faces', 'seeds', json);
  const { manifest, built } = await withPool(context, (pool) =>
    buildBank({
      ...{ pool, networks, store, force, bank: name, signal: context.signal },
      options: buildOptionsOf(options),
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
