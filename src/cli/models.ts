import { Command } from 'commander';
import pc from 'picocolors';
import { FoilbankError } from '../errors.js';
import { checkModelFile, listModels, type Model, prepareModel } from '../onnx/index.js';
import { goldenOf, verifyModel } from '../pipeline/index.js';
import {
  type CliContext,
  type ContextOf,
  modelFolders,
  print,
  printJson,
  say,
  warn,
  withPool,
} from './context.js';
import { Reported } from './reported.js';
import { table } from './table.js';

export function modelsCommand(context: ContextOf): Command {
  const models = new Command('models');
  models
    .command('list')
    .description('every model card, and whether its graph is ready')
    .option('--json', 'one JSON document')
    .action(async (options: { json?: boolean }, command: Command) =>
      list(context(command), options.json ?? false),
    );
  models
    .command('prepare')
    .description('convert the published weights of the default networks into the cache')
    .option('--force', 'convert again what is there already')
    .action(async (options: { force?: boolean }, command: Command) =>
      prepare(context(command), options.force ?? false),
    );
  models
    .command('verify')
    .argument('[names...]', 'names of cards, or paths of card files; default: all')
    .description('check hash, graph and golden output of each network')
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      '\nExamples:\n  foilbank models verify\n  foilbank models verify my-models/arcface.json',
    )
    .action(async (names: string[], options: { json?: boolean }, command: Command) =>
      verify(context(command), names, options.json ?? false),
    );
  models
    .command('golden')
    .argument('<card>', 'name of a card, or path of a card file')
    .description("print the card's golden field as the network gives it now, to be pasted into the card")
    .addHelpText('after', '\nPaste it only once the network was proved right by other means.')
    .action(async (name: string, _: object, command: Command) => golden(context(command), name));
  return models;
}

async function golden(context: CliContext, name: string): Promise<void> {
  const field = await withPool(context, (pool) => goldenOf(pool, modelFolders(context), name));
  print(JSON.stringify({ golden: field }, null, 2));
}

const summary = ({ card, graph }: Model) => {
  const { name, kind, version, licence, source } = card;
  return { name, kind, version, licence, source, graph };
};

async function stateOf(model: Model): Promise<string> {
  try {
    await checkModelFile(model);
    return 'ready';
  } catch (error) {
    if (!(error instanceof FoilbankError)) throw error;
    if (error.code !== 'FB_MODEL_FILE_MISSING') return 'wrong hash';
    return model.card.prepare ? 'not prepared' : 'file missing';
  }
}

async function list(context: CliContext, json: boolean): Promise<void> {
  const models = await listModels(modelFolders(context), ({ code, message }) => warn(`${code}: ${message}`));
  const states = await Promise.all(models.map(stateOf));
  if (json) return printJson(models.map((model, i) => ({ ...summary(model), state: states[i] })));
  const rows = models.map(({ card }, i) => [
    card.name,
    card.kind,
    card.version,
    card.licence,
    states[i] as string,
  ]);
  print(table(['name', 'kind', 'version', 'licence', 'state'], rows));
}

async function prepare(context: CliContext, force: boolean): Promise<void> {
  const models = (await listModels(modelFolders(context))).filter(({ card }) => card.prepare);
  for (const model of models) {
    context.signal.throwIfAborted();
    const made = await prepareModel(model, { force });
    say(`${model.card.name}: ${made ? 'prepared' : 'ready'}`);
  }
}

async function verify(context: CliContext, names: readonly string[], json: boolean): Promise<void> {
  const folders = modelFolders(context);
  const wanted = names.length > 0 ? names : (await listModels(folders)).map((m) => m.card.name);
  const results = await withPool(context, async (pool) => {
    const verified = [];
    for (const name of wanted) {
      context.signal.throwIfAborted();
      verified.push({ name, ...(await verdict(() => verifyModel(pool, folders, name))) });
      const { fault } = verified.at(-1) as { fault?: { code: string; message: string } };
      if (!json)
        print(
          fault
            ? `${pc.red('failed')}  ${name}  ${fault.code}: ${fault.message}`
            : `${pc.green('ok')}      ${name}`,
        );
    }
    return verified;
  });
  if (json) printJson(results);
  const failed = results.filter((r) => 'fault' in r).length;
  if (failed > 0) throw new Reported(1);
}

async function verdict(
  check: () => Promise<void>,
): Promise<{ fault?: { code: string; message: string; remedy: string } }> {
  try {
    await check();
    return {};
  } catch (error) {
    if (!(error instanceof FoilbankError)) throw error;
    const { code, message, remedy } = error;
    return { fault: { code, message, remedy } };
  }
}
