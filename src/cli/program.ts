import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { packageRoot } from '../config.js';
import { alignCommand } from './align.js';
import { bankCommand } from './bank.js';
import { type ContextOf, contextOf, type GlobalOptions } from './context.js';
import { demoCommand } from './demo.js';
import { embedCommand } from './embed.js';
import { enqueueCommand } from './enqueue.js';
import { jobsCommand } from './jobs.js';
import { modelsCommand } from './models.js';
import { neighborsCommand } from './neighbors.js';
import { whole } from './options.js';
import { scheduleCommand } from './schedule.js';
import { workerCommand } from './worker.js';

/** The `foilbank` command line. */
export function program(signal: AbortSignal): Command {
  const { version } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as {
    version: string;
  };
  const root = new Command('foilbank')
    .description(
      'Aligns face similarities by how close both faces are to their nearest look-alikes among virtual faces.',
    )
    .version(version)
    .option('--store <folder>', 'folder of banks (FOILBANK_STORE, default ./banks)')
    .option('--models <folders>', 'further folders of model cards, separated by colons (FOILBANK_MODELS)')
    .option('--threads <count>', 'inference threads (FOILBANK_THREADS, default: all cores)', whole(1, 256))
    .showHelpAfterError('(add --help for the options)')
    .configureHelp({ showGlobalOptions: true });
  const context: ContextOf = (command) => contextOf(command.optsWithGlobals<GlobalOptions>(), signal);
  for (const command of [
    embedCommand,
    neighborsCommand,
    alignCommand,
    bankCommand,
    enqueueCommand,
    workerCommand,
    jobsCommand,
    scheduleCommand,
    modelsCommand,
    demoCommand,
  ])
    root.addCommand(command(context));
  // Errors are thrown to main.ts, which owns the exit codes.
  const everywhere = (command: Command): void => {
    command.exitOverride();
    command.commands.forEach(everywhere);
  };
  everywhere(root);
  return root;
}
