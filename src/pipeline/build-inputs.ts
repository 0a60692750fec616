import { isDeepStrictEqual } from 'node:util';
import { type BankStore, facesOf, type Manifest, PartFolder, showBank } from '../bank/index.js';
import { FoilbankError } from '../errors.js';
import { fingerprint, type Model } from '../onnx/index.js';
import { operatorId } from '../scoring/index.js';
import { MAX_SEED } from '../synthesis/index.js';
import type { BuildOptions } from './build-options.js';
import type { Networks } from './candidate-maker.js';

/** Everything that a bank's candidates are a function of, as its manifest keeps it. */
export type Inputs = Manifest['inputs'];

/** Seeds that lie between the first ones of two epochs: more than any build draws. */
const EPOCH_STRIDE = 2 ** 32;
export const MAX_EPOCH = Math.floor(MAX_SEED / EPOCH_STRIDE) - 2;

/** The first seed of an epoch, a nightly draw of seeds that no other epoch draws. */
export const firstSeedOf = (epoch: number): number => epoch * EPOCH_STRIDE;

const networkOf = ({ card }: Model) => ({
  name: card.name,
  sha256: card.sha256,
  cardSha256: fingerprint(card),
  licence: card.licence,
});

export function inputsOf(
  { generator, embedder, detector }: Networks,
  options: Pick<
    BuildOptions,
    'psi' | 'firstSeed' | 'size' | 'chunkSize' | 'minimumScore' | 'duplicateCeiling'
  >,
  epoch: number,
): Inputs {
  const { psi, firstSeed, size, chunkSize, minimumScore, duplicateCeiling } = options;
  const { dimension } = embedder.card.output;
  const { samePersonCeiling } = embedder.card;
  return {
    generator: networkOf(generator),
    embedder: { ...networkOf(embedder), dimension, samePersonCeiling },
    detector: networkOf(detector),
    psi,
    seeds: { epoch, first: firstSeed, count: size },
    chunkSize,
    gates: { minimumScore, duplicateCeiling },
  };
}

/** The parts of builds with these inputs, whoever makes them. */
export function partFolder(store: BankStore, bank: string, inputs: Inputs): PartFolder {
  const { generator, embedder, detector, psi, chunkSize, gates } = inputs;
  const recipe = {
    generatorSha256: generator.cardSha256,
    embedderSha256: embedder.cardSha256,
    ...(detector ? { detectorSha256: detector.cardSha256 } : {}),
    ...{ psi, chunkSize, gates },
  };
  return new PartFolder(store, bank, recipe, embedder.dimension);
}

/** The manifest in service when a build would give the same candidates and parameters again. */
export async function sameInService(
  store: BankStore,
  bank: string,
  inputs: Inputs,
  options: BuildOptions,
): Promise<Manifest | undefined> {
  const manifest = await inService(store, bank);
  if (!manifest) return undefined;
  const { seeds, ...rest } = manifest.inputs;
  const { seeds: wantedSeeds, ...wanted } = inputs;
  const { parameters, counts } = manifest;
  const same =
    isDeepStrictEqual(rest, wanted) &&
    seeds.first === wantedSeeds.first &&
    facesOf(counts) === options.size &&
    // A calibrated bank has operator and K from its calibration.
    (parameters.calibration.kind !== 'none' ||
      (parameters.neighbours === options.neighbours &&
        parameters.lambda === options.lambda &&
        parameters.operator === operatorId(options.operator))) &&
    (options.engine === 'auto' || parameters.engine === options.engine);
  return same ? manifest : undefined;
}

/**
 * The manifest of the version in service, if the bank was ever published.
 *
 * @param force a damaged one is as none
 * @throws FoilbankError as `showBank`
 */
export async function inService(
  store: BankStore,
  bank: string,
  force = false,
): Promise<Manifest | undefined> {
  return showBank(store, bank).catch((error: unknown) => {
    const code = error instanceof FoilbankError && error.code;
    if (code === 'FB_BANK_NOT_FOUND' || (force && code === 'FB_BANK_CORRUPT')) return undefined;
    throw error;
  });
}
