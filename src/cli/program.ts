import { Command } from 'commander';
import { VERSION } from '../version.js';
import type { ContextOf, GlobalOptions } from './context.js';
import { whole } from './options.js';

interface CommandModule {
  readonly alias?: string;
  readonly description: string;
  readonly open: () => Promise<(context: ContextOf) => Command>;
}

/** Opened only when they are named: what they import takes longer to load than a list of commands to read. */
const COMMANDS: Readonly<Record<string, CommandModule>> = {
  embed: {
    description: 'photos → embeddings of unit length; of several faces in a photo the largest',
    open: async () => (await import('./embed.js')).embedCommand,
  },
  neighbors: {
    alias: 'neighbours',
    description: 'the look-alikes of a face: its nearest candidates of other identities, with r and σ',
    open: async () => (await import('./neighbors.js')).neighborsCommand,
  },
  align: {
    description: 'the similarity of two faces, raw and aligned by how close each is to its look-alikes',
    open: async () => (await import('./align.js')).alignCommand,
  },
  calibrate: {
    description: "move a bank's virtual faces to where embeddings of real photos lie, as a new version",
    open: async () => (await import('./calibrate.js')).calibrateCommand,
  },
  tune: {
    description:
      'operator, K and λ of a bank, chosen by labelled photos and judged by others, as a new version',
    open: async () => (await import('./tune.js')).tuneCommand,
  },
  learn: {
    description: 'train a small network that answers r and σ in place of a lookup, as a new version',
    open: async () => (await import('./learn.js')).learnCommand,
  },
  bank: {
    description: 'support banks: build, look at, verify, roll back, prune',
    open: async () => (await import('./bank.js')).bankCommand,
  },
  evaluate: {
    description: 'how right scores are on labelled photos, raw and aligned; a report with plots',
    open: async () => (await import('./evaluate.js')).evaluateCommand,
  },
  enqueue: {
    description: 'give work to the workers; without REDIS_URL it is done in this process',
    open: async () => (await import('./enqueue.js')).enqueueCommand,
  },
  worker: {
    description: 'take jobs from Redis until SIGTERM or Ctrl-C; logs JSON lines',
    open: async () => (await import('./worker.js')).workerCommand,
  },
  jobs: {
    description: 'see and steer what the workers do',
    open: async () => (await import('./jobs.js')).jobsCommand,
  },
  schedule: {
    description: 'refresh banks by the clock',
    open: async () => (await import('./schedule.js')).scheduleCommand,
  },
  serve: {
    description: 'answer gRPC, gRPC-Web and JSON requests on one port; logs JSON lines',
    open: async () => (await import('./serve.js')).serveCommand,
  },
  keys: {
    description: 'API keys of `foilbank serve`',
    open: async () => (await import('./keys.js')).keysCommand,
  },
  models: {
    description: 'the networks: what is there, prepare their weights, prove that they run right',
    open: async () => (await import('./models.js')).modelsCommand,
  },
  demo: {
    description:
      'build a small bank, find look-alikes of a real photo, align pairs of photos; pictures under --out',
    open: async () => (await import('./demo.js')).demoCommand,
  },
};

/** The `foilbank` command line, with the commands that `argv` names in full and the others by name. */
export async function program(signal: AbortSignal, argv: readonly string[]): Promise<Command> {
  const root = new Command('foilbank')
    .description(
      'Aligns face similarities by how close both faces are to their nearest look-alikes among virtual faces.',
    )
    .version(VERSION)
    .option('--store <folder>', 'folder of banks (FOILBANK_STORE, default ./banks)')
    .option('--models <folders>', 'further folders of model cards, separated by colons (FOILBANK_MODELS)')
    .option('--threads <count>', 'inference threads (FOILBANK_THREADS, default: all cores)', whole(1, 256))
    .showHelpAfterError('(add --help for the options)')
    .configureHelp({ showGlobalOptions: true });
  for (const [name, { alias = name, description, open }] of Object.entries(COMMANDS)) {
    const named = argv.includes(name) || argv.includes(alias);
    const command = named ? await inFull(open, signal) : new Command(name);
    root.addCommand((alias === name ? command : command.alias(alias)).description(description));
  }
  // Errors are thrown to main.ts, which owns the exit codes.
  const everywhere = (command: Command): void => {
    command.exitOverride();
    command.commands.forEach(everywhere);
  };
  everywhere(root);
  return root;
}

async function inFull(open: CommandModule['open'], signal: AbortSignal): Promise<Command> {
  const [command, { contextOf }] = await Promise.all([open(), import('./context.js')]);
  return command((from) => contextOf(from.optsWithGlobals<GlobalOptions>(), signal));
}
