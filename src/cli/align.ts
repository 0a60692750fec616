import { Command } from 'commander';
import { type Comparison, comparePairs, openSupport, operatorAt } from '../pipeline/index.js';
import { OPERATORS, type OperatorName, resolveOperatorSettings } from '../scoring/index.js';
import { type BankOptions, storeOf, withBank } from './bank-options.js';
import { type CliContext, type ContextOf, print, printJson, warn, withPool } from './context.js';
import { FACE_OPTION, type FaceChoice, faceChoices } from './face-options.js';
import { type FaceModelOptions, withFaceModels } from './model-options.js';
import { real } from './options.js';
import { queryOfPhotos } from './query.js';
import { table } from './table.js';

interface AlignOptions extends FaceModelOptions, BankOptions {
  readonly operator?: OperatorName;
  readonly lambda?: number;
  readonly face?: FaceChoice[];
  readonly bankVersion?: string;
  readonly json?: boolean;
}

export function alignCommand(context: ContextOf): Command {
  const command = new Command('align')
    .argument('<photo>', 'a photo (JPEG, PNG, WebP, AVIF)')
    .argument('<other>', 'the photo to compare it with')
    .option(...FACE_OPTION, faceChoices)
    .option('--operator <name>', `${OPERATORS.join(', ')} (default: what the bank recommends)`)
    .option('--lambda <number>', 'strength of shift', real(0, 4))
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      `
Examples:
  foilbank align anna-2019.jpg anna-2024.jpg
  foilbank align group.jpg anna.jpg --face 3,1 --operator shift --json`,
    );
  return withFaceModels(withBank(command)).action(
    async (photo: string, other: string, options: AlignOptions, self: Command) =>
      align(context(self), [photo, other], options),
  );
}

async function align(
  context: CliContext,
  photos: readonly [string, string],
  options: AlignOptions,
): Promise<void> {
  const [comparison, bank] = await withPool(context, async (pool) => {
    const support = await openSupport(pool, storeOf(context), options.bank, {
      version: options.bankVersion,
      ...{ k: options.k, estimator: options.estimator },
    });
    try {
      const { manifest } = support.bank;
      const settings = resolveOperatorSettings({
        operator: options.operator ?? operatorAt(manifest.parameters, support.estimator.k),
        lambda: options.lambda ?? manifest.parameters.lambda,
      });
      const query = await queryOfPhotos(context, pool, support, photos, options);
      const [compared] = await comparePairs(support.estimator, query.embeddings, [[0, 1]], settings);
      return [compared as Comparison, support] as const;
    } finally {
      await support.close();
    }
  });
  for (const warning of bank.warnings) warn(warning);
  const { name, version } = bank.bank;
  if (options.json) return printJson({ photos, bank: name, version, ...comparison, warnings: bank.warnings });
  const { raw, aligned, operator, discrepancies, outside = [] } = comparison;
  outside.forEach((is, i) => {
    if (is) warn(`${photos[i]} is like nothing that was learned: the bank was looked up for it`);
  });
  print(
    table(
      ['face', 'r', 'σ', 'n'],
      discrepancies.map(({ r, sigma, n }, i) => [photos[i] as string, r.toFixed(4), sigma.toFixed(4), n]),
    ),
  );
  print(`raw similarity    ${raw.toFixed(4)}`);
  print(
    `aligned           ${aligned.toFixed(4)}   ${operator}, ${comparison.estimator}, K ${comparison.k}, bank ${name} version ${version}`,
  );
}
