import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { type BankStore, openStore } from '../bank/index.js';
import { ESTIMATORS, type EstimatorName } from '../pipeline/index.js';
import type { CliContext } from './context.js';
import { whole } from './options.js';

export interface BankOptions {
  readonly bank: string;
  readonly version?: string;
  readonly k?: number;
  readonly estimator: EstimatorName;
}

export const DEFAULT_BANK = 'default';

/** Adds the options that name the bank to ask. */
export function withBank(command: Command): Command {
  return command
    .option('--bank <name>', 'support bank', DEFAULT_BANK)
    .option('--bank-version <version>', 'a version of it other than the one in service')
    .option(
      '--k <count>',
      'K, size of a support set (default: what the bank recommends)',
      whole(1, 2_000_000),
    )
    .addOption(
      new Option(
        '--estimator <name>',
        'r and σ by lookup in the bank, or by what `foilbank learn` made of it',
      )
        .choices(ESTIMATORS)
        .default('virtual'),
    );
}

export const storeOf = ({ config }: CliContext): BankStore =>
  openStore(config.store, { cache: join(config.cache, 'store') });
