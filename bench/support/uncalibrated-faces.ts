import { openBank, openStore } from '../../src/bank/index.js';
import { FoilbankError } from '../../src/errors.js';
import { findModel, type ModelFolders } from '../../src/onnx/index.js';
import { resolveBuildOptions } from '../../src/pipeline/index.js';
import { UnitMatrix } from '../../src/vectors/index.js';
import type { Faces } from './foils.js';

/**
 * A bank's faces as their pictures were embedded, and what a bank of them would recommend today.
 *
 * @returns undefined where there is no such bank
 */
export async function uncalibratedFaces(
  folders: ModelFolders,
  store: string,
  name: string,
  version?: string,
): Promise<Faces | undefined> {
  const banks = openStore(store, { cache: store });
  const bank = await openBank(banks, name, version ? { version } : {}).catch((error: unknown) => {
    if (error instanceof FoilbankError && error.code === 'FB_BANK_NOT_FOUND') return undefined;
    throw error;
  });
  if (!bank) return undefined;
  const { candidates, manifest } = bank;
  if (manifest.parameters.calibration.kind !== 'none')
    throw new TypeError(`bank ${name} is calibrated; name a version that is not, with --version`);
  const [generator, embedder] = await Promise.all([
    findModel(folders, manifest.inputs.generator.name, 'generator'),
    findModel(folders, manifest.inputs.embedder.name, 'embedder'),
  ]);
  return {
    name,
    faces: UnitMatrix.adopt(candidates.embeddings, candidates.dimension, name),
    recommends: resolveBuildOptions({ size: candidates.seeds.length }, generator.card, embedder.card),
  };
}
