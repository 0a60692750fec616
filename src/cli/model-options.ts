import type { Command } from 'commander';
import type { Manifest } from '../bank/index.js';
import { FoilbankError } from '../errors.js';
import type { FaceModels } from '../faces/index.js';
import { fingerprint } from '../onnx/index.js';
import { DEFAULT_NETWORKS, findFaceModels, type NetworkKind } from '../pipeline/index.js';
import { type CliContext, modelFolders } from './context.js';

/** Names of model cards, or paths of card files. */
export interface FaceModelOptions {
  readonly embedder: string;
  readonly detector: string;
  readonly landmarks: string;
}
export interface NetworkOptions extends FaceModelOptions {
  readonly generator: string;
}

/** Adds the options that name the networks which read photos. */
export function withFaceModels(command: Command): Command {
  return command
    .option('--embedder <card>', 'model card of the embedder, by name or path', DEFAULT_NETWORKS.embedder)
    .option('--detector <card>', 'model card of the detector', DEFAULT_NETWORKS.detector)
    .option('--landmarks <card>', 'model card of the landmark network', DEFAULT_NETWORKS.landmarks);
}

/** Adds the options that name all networks of a bank, which keeps those that it was made with. */
export function withKeptNetworks(command: Command): Command {
  const unless = (kind: NetworkKind) => `(default: as in service; of a new bank ${DEFAULT_NETWORKS[kind]})`;
  return command
    .option('--generator <card>', `model card of the generator, by name or path ${unless('generator')}`)
    .option('--embedder <card>', `model card of the embedder ${unless('embedder')}`)
    .option('--detector <card>', `model card of the detector ${unless('detector')}`)
    .option(
      '--landmarks <card>',
      `model card of the landmark network (default: ${DEFAULT_NETWORKS.landmarks})`,
    );
}

export const faceModels = (context: CliContext, options: FaceModelOptions): Promise<FaceModels> =>
  findFaceModels(modelFolders(context), options);

/** Before photos are read by another embedder than a bank's. @throws FoilbankError FB_BANK_EMBEDDER_DIFFERS */
export function checkEmbedder({ bank, inputs }: Manifest, { embedder }: FaceModels): void {
  const { name, cardSha256 } = inputs.embedder;
  const actual = fingerprint(embedder.card);
  if (actual !== cardSha256)
    throw new FoilbankError('FB_BANK_EMBEDDER_DIFFERS', {
      ...{ bank, expected: `${name} (${cardSha256.slice(0, 12)})` },
      actual: `${embedder.card.name} (${actual.slice(0, 12)})`,
    });
}

/** Of options that may name networks, those that do. */
export function namedNetworks(options: Partial<NetworkOptions>): Partial<NetworkOptions> {
  const { generator, embedder, detector, landmarks } = options;
  const named = Object.entries({ generator, embedder, detector, landmarks }).filter(
    ([, card]) => card !== undefined,
  );
  return Object.fromEntries(named);
}
