import type { Command } from 'commander';
import type { BuildOptions } from '../pipeline/index.js';
import { OPERATORS } from '../scoring/index.js';
import { real, whole } from './options.js';

/** The options that say how a bank is built, as the command line names them. */
export interface BuildCliOptions extends Partial<BuildOptions> {
  readonly minScore?: number;
  readonly k?: number;
  readonly force?: boolean;
  readonly json?: boolean;
}

export function withBuildOptions(command: Command): Command {
  return command
    .option('--psi <number>', 'truncation (default: what the generator recommends)', real(0, 2))
    .option('--first-seed <seed>', 'first latent seed', whole(0, Number.MAX_SAFE_INTEGER))
    .option('--min-score <number>', 'detector score that a face must reach', real(0, 1))
    .option(
      '--duplicate-ceiling <number>',
      'similarity above which a face is a near-duplicate (default: halfway from the same-person ceiling to 1)',
      real(-1, 1),
    )
    .option('--engine <name>', 'auto, exact or hnsw')
    .option('--operator <name>', `operator that the bank recommends: ${OPERATORS.join(', ')}`)
    .option(
      '--k <count>',
      'K, size of a support set (default: 2 % of the candidates, 16 to 1,024)',
      whole(1, 2_000_000),
    )
    .option('--lambda <number>', 'strength of shift', real(0, 4))
    .option('--chunk-size <count>', 'seeds a chunk, which an interruption can lose', whole(1, 8192))
    .option('--force', 'publish again although nothing changed')
    .option('--json', 'progress and result as JSON lines');
}

/** Only what was given: an absent option keeps its default. */
export function buildOptionsOf(options: BuildCliOptions): Partial<BuildOptions> {
  const { size, psi, firstSeed, minScore, duplicateCeiling, engine, operator, k, lambda, chunkSize } =
    options;
  const given = {
    ...{ size, psi, firstSeed, duplicateCeiling, engine, operator, lambda, chunkSize },
    ...{ minimumScore: minScore, neighbours: k },
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
