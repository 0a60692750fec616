import { Command } from 'commander';
import { listBanks, listVersions, rollbackBank, showBank, verifyBank } from '../bank/index.js';
import { bankBuildCommand } from './bank-build.js';
import { DEFAULT_BANK, storeOf } from './bank-options.js';
import { bankPinCommand, bankPruneCommand, bankUnpinCommand } from './bank-retention.js';
import { bankSheetCommand } from './bank-sheet.js';
import { type CliContext, type ContextOf, print, printJson, say } from './context.js';
import { describeBank } from './describe-bank.js';
import { Reported } from './reported.js';
import { table } from './table.js';

export function bankCommand(context: ContextOf): Command {
  const bank = new Command('bank');
  bank.addCommand(bankBuildCommand(context));
  bank
    .command('list')
    .description('banks of the store with their versions')
    .option('--json', 'one JSON document')
    .action(async (options: JsonOption, self: Command) => list(context(self), options));
  bank
    .command('show')
    .description('inputs, counts, parameters and gates of a version')
    .argument('[bank]', 'its name', DEFAULT_BANK)
    .option('--bank-version <version>', 'default: the one in service')
    .option('--json', 'the manifest')
    .action(async (name: string, options: VersionOption, self: Command) =>
      show(context(self), name, options),
    );
  bank
    .command('verify')
    .description('read every byte of every version and say what is not as it was written')
    .argument('[bank]', 'its name', DEFAULT_BANK)
    .option('--bank-version <version>', 'only this one')
    .option('--json', 'one JSON document')
    .action(async (name: string, options: VersionOption, self: Command) =>
      verify(context(self), name, options),
    );
  bank
    .command('rollback')
    .description('put the version before the one in service, or a named one, into service')
    .argument('[bank]', 'its name', DEFAULT_BANK)
    .option('--to <version>', 'default: the version before')
    .option('--json', 'one JSON document')
    .action(async (name: string, options: JsonOption & { to?: string }, self: Command) =>
      rollback(context(self), name, options),
    );
  bank.addCommand(bankPinCommand(context));
  bank.addCommand(bankUnpinCommand(context));
  bank.addCommand(bankPruneCommand(context));
  bank.addCommand(bankSheetCommand(context));
  return bank;
}

interface JsonOption {
  readonly json?: boolean;
}
interface VersionOption extends JsonOption {
  readonly bankVersion?: string;
}
const versionOf = ({ bankVersion }: VersionOption) =>
  bankVersion === undefined ? {} : { version: bankVersion };

async function list(context: CliContext, { json }: JsonOption): Promise<void> {
  const store = storeOf(context);
  const rows = [];
  for (const name of await listBanks(store))
    for (const { version, inService, pinned, removed, manifest } of await listVersions(store, name))
      if (!removed)
        rows.push({
          ...{ bank: name, version, inService, pinned },
          candidates: manifest?.counts.accepted,
          generator: manifest?.inputs.generator.name,
          embedder: manifest?.inputs.embedder.name,
          createdAt: manifest?.createdAt,
        });
  if (json) return printJson(rows);
  if (rows.length === 0) return say(`no bank in ${store.location}: foilbank bank build makes one`);
  const cells = rows.map((r) => [
    ...[r.bank, r.version, [r.inService ? 'in service' : '', r.pinned ? 'pinned' : ''].join(' ').trim()],
    ...[r.candidates ?? 'damaged', r.generator ?? '', r.embedder ?? '', r.createdAt ?? ''],
  ]);
  print(table(['bank', 'version', '', 'candidates', 'generator', 'embedder', 'created'], cells));
}

async function show(context: CliContext, name: string, options: VersionOption): Promise<void> {
  const manifest = await showBank(storeOf(context), name, options.bankVersion);
  if (options.json) printJson(manifest);
  else print(describeBank(manifest));
}

async function verify(context: CliContext, name: string, options: VersionOption): Promise<void> {
  const { signal } = context;
  const { versions, files, bytes, problems } = await verifyBank(storeOf(context), name, {
    ...versionOf(options),
    signal,
  });
  if (options.json) printJson({ bank: name, versions, files, bytes, problems });
  else {
    for (const { file, reason } of problems) print(`damaged  ${file}: ${reason}`);
    say(
      `${versions.length} versions, ${files} files, ${(bytes / 1e6).toFixed(1)} MB: ${problems.length} problems`,
    );
  }
  if (problems.length > 0) throw new Reported(1);
}

async function rollback(
  context: CliContext,
  name: string,
  options: JsonOption & { to?: string },
): Promise<void> {
  const { signal } = context;
  const manifest = await rollbackBank(storeOf(context), name, {
    ...(options.to === undefined ? {} : { version: options.to }),
    signal,
  });
  if (options.json) printJson({ bank: name, version: manifest.version });
  else say(`bank ${name}: version ${manifest.version} is in service`);
}
