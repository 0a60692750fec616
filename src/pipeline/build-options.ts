import { FIRST_DRAWN_SEED } from '../bank/index.js';
import { checkReal, checkWhole } from '../checks.js';
import { FoilbankError } from '../errors.js';
import type { EmbedderCard, GeneratorCard } from '../onnx/index.js';
import { type OperatorName, resolveOperatorSettings } from '../scoring/index.js';
import { defaultOperator } from './default-operator.js';

const ENGINES = ['auto', 'exact', 'hnsw'] as const;

export interface BuildOptions {
  /** Accepted candidates wanted. 1..2,000,000; default 20,000. */
  readonly size: number;
  /** First latent seed. Default 0. */
  readonly firstSeed: number;
  /** Truncation. Default: the generator card's. */
  readonly psi: number;
  /** Seeds a part: what an interruption can lose at most. 1..8,192; default: a sixteenth of `size`, from 32 to 512. */
  readonly chunkSize: number;
  /** Detector score that a face must reach. 0..1; default 0.5. */
  readonly minimumScore: number;
  /**
   * Similarity to an accepted candidate above which a face is its near-duplicate and rejected. −1..1; default: halfway between
   * the embedder's same-person ceiling and 1. The ceiling itself would keep only a sparse packing of the faces, and
   * neighbourhoods would lose the density that r measures.
   */
  readonly duplicateCeiling: number;
  /** Share of seeds that must become candidates; a build that stays below it gives up. 0..1; default 0.02. */
  readonly minimumYield: number;
  /** `auto` takes the one that is faster at this size and K. Default `auto`. */
  readonly engine: (typeof ENGINES)[number];
  /**
   * Operator that the bank recommends. Default `none`, but with an embedder that was measured `shift`, gently: on faces that no real photo
   * calibrated it gained where `standardise` lost (docs/calibration.md). A bank that is calibrated or tuned keeps its operator.
   */
  readonly operator: OperatorName;
  /** K, size of a support set. Default: 2 % of `size`, from 16 to 1,024. */
  readonly neighbours: number;
  /** λ of `shift`. 0..4; default 0.25, of the default generator's faces 0.5 (docs/calibration.md). */
  readonly lambda: number;
}

/** Fills in the defaults and checks every range. @throws FoilbankError FB_OPTION_INVALID */
export function resolveBuildOptions(
  options: Partial<BuildOptions>,
  generator: GeneratorCard,
  embedder: EmbedderCard,
): BuildOptions {
  const size = options.size ?? 20_000;
  const resolved: BuildOptions = {
    size,
    firstSeed: 0,
    psi: generator.psi.default,
    chunkSize: Math.max(32, Math.min(512, Math.ceil(size / 16 / 32) * 32)),
    minimumScore: 0.5,
    duplicateCeiling: (1 + embedder.samePersonCeiling) / 2,
    minimumYield: 0.02,
    engine: 'auto',
    ...defaultOperator(embedder, generator),
    neighbours: Math.min(size, Math.max(16, Math.min(1024, Math.round(size / 50)))),
    ...options,
  };
  if (!ENGINES.includes(resolved.engine))
    throw new FoilbankError('FB_OPTION_INVALID', {
      option: 'engine',
      value: resolved.engine,
      expected: `one of ${ENGINES.join(', ')}`,
    });
  resolveOperatorSettings({ operator: resolved.operator, lambda: resolved.lambda });
  checkWhole('size', resolved.size, 1, 2_000_000);
  checkWhole('firstSeed', resolved.firstSeed, 0, FIRST_DRAWN_SEED - 1e9);
  checkWhole('chunkSize', resolved.chunkSize, 1, 8192);
  checkWhole('neighbours', resolved.neighbours, 1, resolved.size);
  checkReal('psi', resolved.psi, generator.psi.min, generator.psi.max);
  checkReal('minimumScore', resolved.minimumScore, 0, 1);
  checkReal('duplicateCeiling', resolved.duplicateCeiling, -1, 1);
  checkReal('minimumYield', resolved.minimumYield, 0, 1);
  return Object.freeze(resolved);
}
