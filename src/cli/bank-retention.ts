import { Command } from 'commander';
import { pinVersion, pruneBank, unpinVersion } from '../bank/index.js';
import { DEFAULT_BANK, storeOf } from './bank-options.js';
import { type CliContext, type ContextOf, printJson, say } from './context.js';
import { whole } from './options.js';

interface JsonOption {
  readonly json?: boolean;
}

export function bankPinCommand(context: ContextOf): Command {
  return new Command('pin')
    .description('keep a version whatever is pruned')
    .argument('<version>', 'as `foilbank bank list` shows it')
    .argument('[bank]', 'its name', DEFAULT_BANK)
    .option('--json', 'one JSON document')
    .addHelpText('after', '\nExample:\n  foilbank bank pin 000007 lookalikes')
    .action(async (version: string, name: string, options: JsonOption, self: Command) =>
      pin(context(self), name, version, true, options),
    );
}

export function bankUnpinCommand(context: ContextOf): Command {
  return new Command('unpin')
    .description('let a pinned version be pruned again')
    .argument('<version>', 'as `foilbank bank list` shows it')
    .argument('[bank]', 'its name', DEFAULT_BANK)
    .option('--json', 'one JSON document')
    .addHelpText('after', '\nExample:\n  foilbank bank unpin 000007 lookalikes')
    .action(async (version: string, name: string, options: JsonOption, self: Command) =>
      pin(context(self), name, version, false, options),
    );
}

export function bankPruneCommand(context: ContextOf): Command {
  return new Command('prune')
    .description('remove old versions, old parts and what killed processes left')
    .argument('[bank]', 'its name', DEFAULT_BANK)
    .option('--keep <count>', 'newest versions to keep, besides pinned ones', whole(1, 10_000), 5)
    .option(
      '--parts-days <days>',
      'parts go when none of their build was written for so long',
      whole(0, 3650),
      7,
    )
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      `
The version in service and pinned versions always stay. What is removed does not come back.

Examples:
  foilbank bank prune
  foilbank bank prune lookalikes --keep 3 --json`,
    )
    .action(async (name: string, options: PruneCliOptions, self: Command) =>
      prune(context(self), name, options),
    );
}

interface PruneCliOptions extends JsonOption {
  readonly keep: number;
  readonly partsDays: number;
}

async function pin(
  context: CliContext,
  name: string,
  version: string,
  pinned: boolean,
  { json }: JsonOption,
): Promise<void> {
  await (pinned ? pinVersion : unpinVersion)(storeOf(context), name, version);
  if (json) printJson({ bank: name, version, pinned });
  else say(`bank ${name}: version ${version} is ${pinned ? 'pinned' : 'not pinned'}`);
}

async function prune(context: CliContext, name: string, options: PruneCliOptions): Promise<void> {
  const { signal } = context;
  const partsBefore = new Date(Date.now() - options.partsDays * 24 * 3_600_000);
  const pruned = await pruneBank(storeOf(context), name, { keep: options.keep, partsBefore, signal });
  if (options.json) return printJson({ bank: name, ...pruned });
  const { versions, unfinished, parts, bytes } = pruned;
  for (const version of versions) say(`version ${version} removed`);
  for (const version of unfinished) say(`version ${version} removed: it was never finished`);
  say(
    `bank ${name}: ${versions.length + unfinished.length} versions and the parts of ${parts.length} builds removed, ${(bytes / 1e6).toFixed(1)} MB`,
  );
}
