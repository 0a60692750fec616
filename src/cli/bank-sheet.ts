import { Command } from 'commander';
import { openBank } from '../bank/index.js';
import { FoilbankError } from '../errors.js';
import { writeWhole } from '../files.js';
import { sheetOfSeeds } from '../pipeline/index.js';
import { Generator } from '../synthesis/index.js';
import { generatorOfBank } from './bank-generator.js';
import { DEFAULT_BANK, storeOf } from './bank-options.js';
import { type CliContext, type ContextOf, say, withPool } from './context.js';
import { whole } from './options.js';

interface SheetCliOptions {
  readonly out: string;
  readonly from: number;
  readonly count: number;
  readonly generator?: string;
  readonly bankVersion?: string;
}

export function bankSheetCommand(context: ContextOf): Command {
  return new Command('sheet')
    .description("a contact sheet of the bank's virtual faces, made again from their seeds")
    .argument('[bank]', 'its name', DEFAULT_BANK)
    .requiredOption('--out <file.png>', 'where to write it')
    .option('--from <row>', 'first candidate', whole(0, 2_000_000), 0)
    .option('--count <count>', 'how many', whole(1, 1024), 96)
    .option('--generator <card>', 'card of the generator (default: by the name in the manifest)')
    .option('--bank-version <version>', 'default: the one in service')
    .action(async (name: string, options: SheetCliOptions, self: Command) =>
      sheet(context(self), name, options),
    );
}

async function sheet(context: CliContext, name: string, options: SheetCliOptions): Promise<void> {
  const { bankVersion, from, count, out } = options;
  const bank = await openBank(
    storeOf(context),
    name,
    bankVersion === undefined ? {} : { version: bankVersion },
  );
  const { seeds } = bank.candidates;
  if (from >= seeds.length)
    throw new FoilbankError('FB_OPTION_INVALID', {
      option: 'from',
      value: from,
      expected: `below the bank's ${seeds.length}`,
    });
  const model = await generatorOfBank(context, bank, options.generator);
  const { psi } = bank.manifest.inputs;
  const png = await withPool(context, async (pool) =>
    sheetOfSeeds(pool, await Generator.open(pool, model), seeds.subarray(from, from + count), psi),
  );
  await writeWhole(out, png);
  say(`${out} written`);
}
