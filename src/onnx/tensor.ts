/** A tensor as plain data, so that it can cross a thread boundary. `data.length` is the product of `dims`. */
export type TensorData =
  | { readonly type: 'float32'; readonly dims: readonly number[]; readonly data: Float32Array }
  | { readonly type: 'int32'; readonly dims: readonly number[]; readonly data: Int32Array }
  | { readonly type: 'int64'; readonly dims: readonly number[]; readonly data: BigInt64Array }
  | { readonly type: 'uint8'; readonly dims: readonly number[]; readonly data: Uint8Array };

export type Tensors = Readonly<Record<string, TensorData>>;

/** float32 tensor; `dims` must multiply to `data.length`. */
export function float32(data: Float32Array, dims: readonly number[]): TensorData {
  return { type: 'float32', dims, data };
}

/** int64 scalar or vector, as TopK and shape inputs want it. */
export function int64(values: readonly number[], dims: readonly number[] = [values.length]): TensorData {
  return { type: 'int64', dims, data: BigInt64Array.from(values, BigInt) };
}

/** Name, element type and shape of a graph's input or output; -1 or a name stands for a free dimension. */
export interface ValueInfo {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly (number | string)[];
}

/** The buffers of tensors that can move to another thread instead of being copied; shared ones need not. */
export function movable(tensors: readonly { readonly data: ArrayBufferView }[]): ArrayBuffer[] {
  const buffers = tensors.map((t) => t.data.buffer);
  return [...new Set(buffers)].filter((b) => b instanceof ArrayBuffer);
}

const nowhere = new MessageChannel().port1;
nowhere.close();

/**
 * Gives the memory of tensors, or of anything else of some size, back at once; their arrays become empty, and so does every view of the
 * same memory. Left to the garbage collector, it waits for a pass over the whole heap, which such arrays bring about every few runs and which
 * costs more than many a network does.
 */
export function free(arrays: readonly { readonly data: ArrayBufferView }[]): void {
  // What is moved to a port that leads nowhere is gone.
  nowhere.postMessage(null, movable(arrays));
}

/** The float32 data of the named output. The graph's card was checked, so another type is a programming error. */
export function floatsOf(tensors: Tensors, name: string): Float32Array {
  const tensor = tensors[name];
  if (tensor?.type !== 'float32')
    throw new TypeError(`output ${name} is ${tensor?.type ?? 'absent'}, not float32`);
  return tensor.data;
}
