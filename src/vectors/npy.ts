import { FoilbankError } from '../errors.js';

/** An array of NumPy's `.npy` format: 1-D or 2-D, float32 or float64, little-endian, C order. */
export interface NpyArray {
  readonly shape: readonly [number] | readonly [number, number];
  /** Product of `shape` values, row-major. */
  readonly data: Float32Array | Float64Array;
}

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // \x93NUMPY
const ALIGNMENT = 64;

/**
 * Reads a `.npy` file (NEP 1, format versions 1.0 to 3.0).
 *
 * @param bytes the whole file
 * @param what named in errors, for example the file
 * @throws FoilbankError FB_NPY_INVALID
 */
export function parseNpy(bytes: Uint8Array, what = 'npy'): NpyArray {
  const refuse = (reason: string): never => {
    throw new FoilbankError('FB_NPY_INVALID', { what, reason });
  };
  if (MAGIC.some((byte, i) => bytes[i] !== byte)) refuse('it does not begin with the .npy magic');
  if (bytes.length < 12) refuse('it ends inside its header');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint8(6);
  if (version < 1 || version > 3) refuse(`format version ${version} is unknown`);
  const [start, headerLength] = version === 1 ? [10, view.getUint16(8, true)] : [12, view.getUint32(8, true)];
  const end = start + headerLength;
  if (end > bytes.length) refuse('it ends inside its header');
  const header = new TextDecoder('utf-8').decode(bytes.subarray(start, end));

  const descr = /'descr'\s*:\s*'([^']*)'/.exec(header)?.[1];
  if (descr !== '<f4' && descr !== '<f8') refuse(`element type ${descr ?? 'unknown'} is not <f4 or <f8`);
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(header)?.[1];
  if (order !== 'False') refuse('it is not in C order');
  const sizes = /'shape'\s*:\s*\(([\d\s,]*)\)/.exec(header)?.[1]?.match(/\d+/g)?.map(Number) ?? [];
  const [first, second] = sizes;
  if (first === undefined || sizes.length > 2) refuse(`it has ${sizes.length} dimensions, 1 or 2 are read`);
  const shape = (second === undefined ? [first] : [first, second]) as [number] | [number, number];

  const size = descr === '<f4' ? 4 : 8;
  const wanted = shape.reduce((product, d) => product * d, size);
  if (bytes.length - end !== wanted)
    refuse(`its data has ${bytes.length - end} bytes, the header says ${wanted}`);
  // A copy: the data need not be aligned where it lies, and the file's bytes stay the caller's.
  const data = new Uint8Array(bytes.subarray(end)).buffer;
  return { shape, data: size === 4 ? new Float32Array(data) : new Float64Array(data) };
}

/** Writes the array as `.npy` version 1.0; `numpy.load` and {@link parseNpy} read it back unchanged. */
export function formatNpy({ shape, data }: NpyArray): Uint8Array {
  if (shape.reduce((product, d) => product * d, 1) !== data.length)
    throw new TypeError(`shape [${shape}] does not fit ${data.length} values`);
  const descr = data instanceof Float32Array ? '<f4' : '<f8';
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const dict = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const start = Math.ceil((10 + dict.length + 1) / ALIGNMENT) * ALIGNMENT;
  const bytes = new Uint8Array(start + data.byteLength).fill(0x20, 10, start);
  bytes.set([...MAGIC, 1, 0]);
  new DataView(bytes.buffer).setUint16(8, start - 10, true);
  bytes.set(new TextEncoder().encode(dict), 10);
  bytes[start - 1] = 0x0a;
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), start);
  return bytes;
}
