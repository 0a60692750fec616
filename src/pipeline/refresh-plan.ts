import { type BankStore, facesOf, listVersions, type Manifest } from '../bank/index.js';
import { FoilbankError } from '../errors.js';
import type { FaceModels } from '../faces/index.js';
import { findModel, fingerprint, type ModelFolders } from '../onnx/index.js';
import { operatorOfId } from '../scoring/index.js';
import { firstSeedOf, inService, MAX_EPOCH } from './build-inputs.js';
import { type BuildOptions, resolveBuildOptions } from './build-options.js';
import type { Networks } from './candidate-maker.js';
import { chunksFor } from './select.js';

export type NetworkKind = keyof Networks;

/** Networks by name of their card, or by its path. */
export type NetworkNames = Readonly<Record<NetworkKind, string>>;

/** What is taken where nothing was said and no version in service says it. */
export const DEFAULT_NETWORKS: NetworkNames = Object.freeze({
  generator: 'foilgan-64-mixed',
  embedder: 'recogniser',
  detector: 'detector',
  landmarks: 'landmarks',
});

/** A network by name, and the fingerprint that tells whether another machine has the same. */
export interface NetworkReference {
  readonly card: string;
  readonly fingerprint: string;
}

/** Everything that decides what a refresh makes. It is JSON: kept with the job, it makes every try the same refresh. */
export interface RefreshPlan {
  readonly networks: Readonly<Record<NetworkKind, NetworkReference>>;
  readonly options: BuildOptions;
  readonly epoch: number;
  /** Chunks that will probably do. */
  readonly chunks: number;
  /** Time of planning, ISO 8601: the time of creation that the version will bear. */
  readonly at: string;
}

/** What a caller wants otherwise than it is in service. */
interface Asked {
  readonly networks: Partial<NetworkNames>;
  readonly options: Partial<BuildOptions>;
}

/** @throws FoilbankError FB_CARD_UNKNOWN, FB_CARD_UNREADABLE, FB_CARD_INVALID */
export async function findNetworks(folders: ModelFolders, names: NetworkNames): Promise<Networks> {
  const generator = await findModel(folders, names.generator, 'generator');
  return { generator, ...(await findFaceModels(folders, names)) };
}

/** The networks that read photos. @throws FoilbankError as `findNetworks` */
export async function findFaceModels(
  folders: ModelFolders,
  names: Omit<NetworkNames, 'generator'>,
): Promise<FaceModels> {
  // One after the other, so that of several that are missing it is always the same one that is named.
  return {
    embedder: await findModel(folders, names.embedder, 'embedder'),
    detector: await findModel(folders, names.detector, 'detector'),
    landmarks: await findModel(folders, names.landmarks, 'landmarks'),
  };
}

/**
 * Plans the next version of a bank: seeds that no version drew, and everything that was not said as in the version in
 * service. A bank that does not exist yet gets its first version.
 *
 * @throws FoilbankError FB_OPTION_INVALID, those of `findNetworks`, and what the store throws
 */
export async function planRefresh(
  store: BankStore,
  bank: string,
  folders: ModelFolders,
  asked: Asked,
  now: Date = new Date(),
): Promise<RefreshPlan> {
  const before = await inService(store, bank);
  const names = networkNames(before, asked.networks);
  const networks = await findNetworks(folders, names);
  const epoch = await nextEpoch(store, bank, before);
  const options = resolveBuildOptions(
    { ...(before && optionsOf(before, asked)), firstSeed: firstSeedOf(epoch), ...asked.options },
    networks.generator.card,
    networks.embedder.card,
  );
  const reference = (kind: NetworkKind): NetworkReference => ({
    card: names[kind],
    fingerprint: fingerprint(networks[kind].card),
  });
  return {
    networks: {
      generator: reference('generator'),
      embedder: reference('embedder'),
      detector: reference('detector'),
      landmarks: reference('landmarks'),
    },
    ...{ options, epoch, at: now.toISOString() },
    chunks: before ? chunksFor(options, shareOf(before)) : Math.ceil(options.size / options.chunkSize),
  };
}

/** A seed is drawn once: an epoch is above all those that were ever in service, rolled back, damaged or not. */
async function nextEpoch(store: BankStore, bank: string, before: Manifest | undefined): Promise<number> {
  if (!before) return 0;
  const versions = await listVersions(store, bank);
  const known = Math.max(...versions.map((v) => v.manifest?.inputs.seeds.epoch ?? 0));
  // What a damaged one drew is not known; each can have drawn one epoch more than those before it.
  const epoch = 1 + known + versions.filter((v) => !v.manifest && !v.removed).length;
  if (epoch <= MAX_EPOCH) return epoch;
  throw new FoilbankError('FB_OPTION_INVALID', {
    ...{ option: 'epoch', value: epoch, expected: `at most ${MAX_EPOCH}` },
  });
}

/** What is asked for, else what the version in service was made with, else the defaults. */
export function networkNames(before: Manifest | undefined, asked: Partial<NetworkNames>): NetworkNames {
  return { ...DEFAULT_NETWORKS, ...(before && namesOf(before)), ...asked };
}

const namesOf = ({ inputs: { generator, embedder, detector } }: Manifest): Partial<NetworkNames> => ({
  generator: generator.name,
  embedder: embedder.name,
  ...(detector ? { detector: detector.name } : {}),
});

/** The options of a version in service, but for those that hang on something that was asked for: they have other defaults. */
function optionsOf({ inputs, counts, parameters }: Manifest, asked: Asked): Partial<BuildOptions> {
  const { operator, lambda, neighbours, calibration, tuning } = parameters;
  const { minimumScore, duplicateCeiling } = inputs.gates;
  const resized = asked.options.size !== undefined && asked.options.size !== facesOf(counts);
  return {
    ...{ size: facesOf(counts), chunkSize: inputs.chunkSize, minimumScore },
    // What aligns one embedder's scores may spoil another's.
    ...(asked.networks.embedder === undefined ? { operator: operatorOfId(operator), duplicateCeiling } : {}),
    // How much of r one generator's faces bear may be too much for another's; photos that chose it were real.
    ...(asked.networks.embedder === undefined && (asked.networks.generator === undefined || tuning)
      ? { lambda }
      : {}),
    ...(asked.networks.generator === undefined ? { psi: inputs.psi } : {}),
    // A calibration brings its own K.
    ...(resized || calibration.kind !== 'none' ? {} : { neighbours }),
  };
}

/** Share of the seeds that passed, those beyond the wanted size included. */
const shareOf = ({ counts }: Manifest): number =>
  (facesOf(counts) + (counts.rejected.surplus ?? 0)) / counts.generated;
