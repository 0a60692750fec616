import { free } from '../onnx/index.js';

/** Bytes below which memory is not worth the message that gives it back. */
const LARGE = 2 ** 16;

/**
 * Gives the memory of a large array back at once, if it is the array's alone. Nobody may look at it any more. Left to the collector, the
 * bodies of requests of hundreds of embeddings bring about a pass over the whole heap a second.
 */
export function freeLarge(data: Uint8Array | Float32Array): void {
  if (data.byteLength >= LARGE && data.byteLength === data.buffer.byteLength) free([{ data }]);
}
