import { Command } from 'commander';
import { enqueueFlow, resolveRedis, runLocally } from '../jobs/index.js';
import type { NetworkNames } from '../pipeline/index.js';
import { DEFAULT_BANK } from './bank-options.js';
import { type BuildCliOptions, buildOptionsOf, withBuildOptions } from './build-options.js';
import { type CliContext, type ContextOf, print, printJson, say, warn } from './context.js';
import { describeBank } from './describe-bank.js';
import { followFlow } from './follow-flow.js';
import { withJobServices, withQueues } from './job-context.js';
import { namedNetworks } from './model-options.js';
import { whole } from './options.js';
import { progressView } from './progress.js';

interface EnqueueOptions extends BuildCliOptions, Partial<NetworkNames> {
  readonly watch?: boolean;
  readonly acceptShift?: boolean;
  readonly keep?: number;
}

export function enqueueCommand(context: ContextOf): Command {
  return new Command('enqueue').addCommand(refreshCommand(context)).addCommand(generateCommand(context));
}

/** What was not said stays as it is in the version in service, so there are no defaults here. */
const withRequest = (command: Command): Command =>
  withBuildOptions(
    command
      .argument('[bank]', 'its name', DEFAULT_BANK)
      .option('--size <count>', 'candidates wanted (default: as in service)', whole(1, 2_000_000))
      .option('--generator <card>', 'model card of the generator (default: as in service)')
      .option('--embedder <card>', 'model card of the embedder')
      .option('--detector <card>', 'model card of the detector')
      .option('--landmarks <card>', 'model card of the landmark network'),
  ).option('--watch', 'stay and show how far it is');

function refreshCommand(context: ContextOf): Command {
  return withRequest(
    new Command('refresh').description(
      'a new version of a bank from seeds that no version drew; its first one, too',
    ),
  )
    .option(
      '--accept-shift',
      'publish although it differs from the version in service; the figures are recorded',
    )
    .option('--keep <count>', 'versions to keep afterwards, besides pinned ones', whole(1, 1000))
    .addHelpText(
      'after',
      `
One refresh of a bank runs at a time: asked for again, the one that waits or runs is the answer.

Examples:
  foilbank enqueue refresh
  foilbank enqueue refresh lookalikes --size 50000 --keep 5 --watch`,
    )
    .action((bank: string, options: EnqueueOptions, self: Command) =>
      enqueue(context(self), bank, options, false),
    );
}

function generateCommand(context: ContextOf): Command {
  return withRequest(
    new Command('generate').description(
      'make the faces of the next refresh ahead of time; nothing is published',
    ),
  )
    .addHelpText(
      'after',
      `
The next refresh with the same options finds them in the store and makes only what is missing.

Examples:
  foilbank enqueue generate --size 100000
  foilbank enqueue generate lookalikes --watch --json`,
    )
    .action((bank: string, options: EnqueueOptions, self: Command) =>
      enqueue(context(self), bank, options, true),
    );
}

async function enqueue(
  context: CliContext,
  bank: string,
  options: EnqueueOptions,
  partsOnly: boolean,
): Promise<void> {
  const { force, acceptShift, keep } = options;
  const request = {
    ...{
      bank,
      options: buildOptionsOf(options),
      networks: namedNetworks(options),
    },
    ...(force ? { force } : {}),
    ...(acceptShift ? { acceptShift } : {}),
    ...(keep === undefined ? {} : { keep }),
    ...(partsOnly ? { partsOnly } : {}),
  };
  const json = options.json ?? false;
  if (!resolveRedis()) return runHere(context, request, json);
  await withQueues(async (queues) => {
    const { id, joined } = await enqueueFlow(queues, request);
    if (json) printJson({ event: joined ? 'joined' : 'enqueued', id, bank });
    else say(joined ? `${id} waits or runs already` : `${id} is in the queue`);
    if (options.watch) return followFlow(queues, id, json, context.signal);
    if (!json) print(id);
  });
}

async function runHere(
  context: CliContext,
  request: Parameters<typeof runLocally>[1],
  json: boolean,
): Promise<void> {
  if (!json) say('REDIS_URL is not set: this process does the work itself');
  const view = progressView('faces', 'seeds', json);
  const { outcome, manifest } = await withJobServices(context, (services) =>
    runLocally(services, request, {
      signal: context.signal,
      onSeeds: (progress, accepted) => view.update(progress, `${accepted} detected`),
      onStep: (step) => {
        view.stop();
        if (json) printJson({ event: 'step', step });
        else say(step);
      },
      onWarning: (sentence) => {
        if (json) printJson({ event: 'warning', sentence });
        else warn(sentence);
      },
    }),
  ).finally(() => view.stop());
  if (json)
    return printJson({
      event: outcome,
      bank: request.bank,
      ...(manifest ? { version: manifest.version, manifest } : {}),
    });
  if (!manifest) return say('the faces lie in the store');
  say(
    `bank ${request.bank}: version ${manifest.version} ${outcome === 'published' ? 'is in service' : 'has these inputs already'}`,
  );
  print(describeBank(manifest));
}
