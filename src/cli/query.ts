import { FoilbankError } from '../errors.js';
import { type Face, FaceReader } from '../faces/index.js';
import { readBytes } from '../files.js';
import { fingerprint, type InferencePool } from '../onnx/index.js';
import { matrixOf, readFace, type Support } from '../pipeline/index.js';
import { parseNpy, UnitMatrix } from '../vectors/index.js';
import { type CliContext, warn } from './context.js';
import { choiceOf, type FaceChoice } from './face-options.js';
import { type FaceModelOptions, faceModels } from './model-options.js';

/** Embeddings to ask a bank about, and what to call each. */
export interface Query {
  readonly embeddings: UnitMatrix;
  readonly names: readonly string[];
  /** Absent where the embeddings came ready. */
  readonly faces?: readonly Face[];
}

/** Reads one face of each photo with the bank's embedder. @throws FoilbankError FB_BANK_EMBEDDER_DIFFERS, those of `readFace` */
export async function queryOfPhotos(
  context: CliContext,
  pool: InferencePool,
  support: Support,
  photos: readonly string[],
  options: FaceModelOptions & { readonly face?: readonly FaceChoice[] },
): Promise<Query> {
  const models = await faceModels(context, options);
  const { name, manifest } = support.bank;
  const expected = manifest.inputs.embedder;
  if (fingerprint(models.embedder.card) !== expected.cardSha256)
    throw new FoilbankError('FB_BANK_EMBEDDER_DIFFERS', {
      bank: name,
      expected: `${expected.name} (${expected.cardSha256.slice(0, 12)})`,
      actual: `${models.embedder.card.name} (${fingerprint(models.embedder.card).slice(0, 12)})`,
    });
  const reader = await FaceReader.open(pool, models);
  const faces = await Promise.all(
    photos.map((photo, i) => readFace(reader, photo, choiceOf(options.face ?? [], i))),
  );
  for (const { warnings } of faces)
    for (const { message } of warnings) warn(`${message} (--face chooses another)`);
  const embeddings = matrixOf(
    faces.map((face) => face.embedding),
    expected.dimension,
  );
  return { embeddings, names: photos, faces };
}

/** Embeddings of a NumPy file, normalised. @throws FoilbankError FB_FILE_UNREADABLE, FB_NPY_INVALID, FB_EMBEDDING_… */
export async function queryOfNpy(file: string, dimension: number): Promise<Query> {
  const { data, shape } = parseNpy(await readBytes(file), file);
  const length = shape[1] ?? shape[0];
  if (length !== dimension)
    throw new FoilbankError('FB_EMBEDDING_LENGTH', { what: file, actual: length, expected: dimension });
  const embeddings = UnitMatrix.normalise(data, dimension, file);
  return { embeddings, names: Array.from({ length: embeddings.rows }, (_, i) => `${file}#${i}`) };
}
