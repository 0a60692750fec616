import type { Command } from 'commander';
import pc from 'picocolors';
import { type Config, resolveConfig } from '../config.js';
import type { InferencePool, ModelFolders } from '../onnx/index.js';

/** What the process gives to every command. */
export interface CliContext {
  readonly config: Config;
  /** Aborts on the first Ctrl-C or SIGTERM; a second one ends the process at once. */
  readonly signal: AbortSignal;
}

/** Gives a command the context that the options before it make. */
export type ContextOf = (command: Command) => CliContext;

export interface GlobalOptions {
  readonly store?: string;
  readonly models?: string;
  readonly threads?: number;
}

export function contextOf(options: GlobalOptions, signal: AbortSignal): CliContext {
  const env =
    options.models === undefined ? process.env : { ...process.env, FOILBANK_MODELS: options.models };
  const overrides = {
    ...(options.store === undefined ? {} : { store: options.store }),
    ...(options.threads === undefined ? {} : { threads: options.threads }),
  };
  return { config: resolveConfig(env, overrides), signal };
}

export const modelFolders = ({ config }: CliContext): ModelFolders => ({
  cards: config.cards,
  cache: config.cache,
});

/** Runs `work` with inference threads that are stopped afterwards, however it ends. */
export async function withPool<T>(
  { config }: CliContext,
  work: (pool: InferencePool) => Promise<T>,
): Promise<T> {
  const { InferencePool } = await import('../onnx/index.js');
  const pool = new InferencePool({ threads: config.threads });
  try {
    return await work(pool);
  } finally {
    await pool.close();
  }
}

/** Results go to stdout, everything said on the way to stderr. */
export const print = (text: string): void => void process.stdout.write(`${text}\n`);
export const printJson = (value: unknown): void => print(JSON.stringify(value));
export const say = (text: string): void => void process.stderr.write(`${text}\n`);
export const warn = (text: string): void => say(`${pc.yellow('warning')} ${text}`);
