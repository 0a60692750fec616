import { FoilbankError, reasonOf } from '../../errors.js';

/** A weight of a TensorFlow.js model, in its own layout (filters are HWIO). */
export interface Weight {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

/** The files of a TensorFlow.js model as the package ships them. */
export interface PublishedWeights {
  /** For messages. */
  readonly file: string;
  /** The JSON manifest: groups of weights in the order in which the binary holds them. */
  readonly manifest: Uint8Array;
  readonly binary: Uint8Array;
}

interface ManifestEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: 'float32' | 'int32';
  readonly quantization?: { readonly dtype: 'uint8'; readonly scale: number; readonly min: number };
}

/** Weights by name. Asking for one that is absent or of another shape throws FB_WEIGHTS_UNREADABLE. */
export class WeightMap {
  readonly #weights: ReadonlyMap<string, Weight>;

  constructor(
    readonly file: string,
    weights: ReadonlyMap<string, Weight>,
  ) {
    this.#weights = weights;
  }

  get(name: string, rank: number): Weight {
    const weight = this.#weights.get(name);
    if (weight?.dims.length !== rank)
      throw unreadable(this.file, `no weight of rank ${rank} is named ${name}`);
    return weight;
  }
}

/**
 * Reads a TensorFlow.js weight file. Quantised weights are uint8 q and mean q·scale + min, where min is a real number
 * and not an integer zero point; the others are little-endian float32 or int32.
 * @throws FoilbankError FB_WEIGHTS_UNREADABLE
 */
export function readWeights({ file, manifest, binary }: PublishedWeights): WeightMap {
  const weights = new Map<string, Weight>();
  let offset = 0;
  for (const { name, shape, dtype, quantization } of parseManifest(file, manifest)) {
    const length = shape.reduce((product, d) => product * d, 1);
    // A copy: float32 data need not begin at a multiple of four.
    const bytes = new Uint8Array(binary.subarray(offset, offset + length * (quantization ? 1 : 4)));
    offset += bytes.length;
    if (offset > binary.length || bytes.length !== length * (quantization ? 1 : 4))
      throw unreadable(file, `it ends inside ${name}`);
    weights.set(name, { dims: shape, data: decode(bytes, dtype, quantization) });
  }
  if (offset !== binary.length)
    throw unreadable(file, `${binary.length - offset} bytes follow the last weight`);
  return new WeightMap(file, weights);
}

function parseManifest(file: string, manifest: Uint8Array): ManifestEntry[] {
  let entries: ManifestEntry[];
  try {
    const groups = JSON.parse(new TextDecoder().decode(manifest)) as readonly { weights: ManifestEntry[] }[];
    entries = groups.flatMap((group) => group.weights);
  } catch (error) {
    throw unreadable(file, `its manifest is no list of weights: ${reasonOf(error)}`);
  }
  const odd = entries.find(
    (e) =>
      !Array.isArray(e.shape) ||
      !['float32', 'int32'].includes(e.dtype) ||
      (e.quantization !== undefined && e.quantization.dtype !== 'uint8'),
  );
  if (odd) throw unreadable(file, `${odd.name} has an unknown type`);
  return entries;
}

function decode(
  bytes: Uint8Array,
  dtype: ManifestEntry['dtype'],
  quantization: ManifestEntry['quantization'],
): Float32Array {
  if (quantization) return Float32Array.from(bytes, (q) => q * quantization.scale + quantization.min);
  return dtype === 'float32'
    ? new Float32Array(bytes.buffer)
    : Float32Array.from(new Int32Array(bytes.buffer));
}

const unreadable = (file: string, reason: string) =>
  new FoilbankError('FB_WEIGHTS_UNREADABLE', { file, reason });
