import { throwIfCancelled } from '../errors.js';
import { float32, floatsOf, GraphBuilder, type InferencePool, type Network } from '../onnx/index.js';

const BLOCK = 512;
/** Accepted rows compared in one run: keeps the similarity matrix at 16 MB whatever the bank's size. */
const SLAB = 8192;

/** Two graphs: the largest similarity of each row of a block to a slab of rows, and the block against itself. */
function slabGraph(dimension: number): Uint8Array {
  const g = new GraphBuilder('nearest-of-slab');
  const block = g.input('block', 'float32', ['b', dimension]);
  const slab = g.input('slab', 'float32', ['m', dimension]);
  const similarities = g.node('Gemm', [block, slab], { transB: 1 });
  g.output('nearest', g.node('ReduceMax', [similarities], { axes: [1], keepdims: 0 }), 'float32', ['b']);
  return g.build();
}

function blockGraph(dimension: number): Uint8Array {
  const g = new GraphBuilder('block-with-itself');
  const block = g.input('block', 'float32', ['b', dimension]);
  g.output('within', g.node('Gemm', [block, block], { transB: 1 }), 'float32', ['b', 'b']);
  return g.build();
}

/**
 * Marks near-duplicates: in the order given, a row is kept unless its similarity to a row kept before exceeds the ceiling.
 * The comparison is exact, so the same rows always give the same answer.
 *
 * @param embeddings [m, d] unit rows
 * @param ceiling similarity in [−1, 1] above which two rows are one identity
 * @returns indices of the kept rows, ascending
 */
export async function withoutNearDuplicates(
  pool: InferencePool,
  embeddings: Float32Array,
  dimension: number,
  ceiling: number,
  signal?: AbortSignal,
): Promise<Uint32Array> {
  const rows = embeddings.length / dimension;
  const [nearestOf, within] = await Promise.all([
    pool.load({ name: 'near-duplicates', graph: slabGraph(dimension) }),
    pool.load({ name: 'near-duplicates', graph: blockGraph(dimension) }),
  ]);
  try {
    // From shared memory the inference threads make their copies, not the main thread.
    const kept = new Float32Array(new SharedArrayBuffer(embeddings.byteLength));
    const indices: number[] = [];
    for (let start = 0; start < rows; start += BLOCK) {
      throwIfCancelled(signal, 'the search for near-duplicates');
      const end = Math.min(rows, start + BLOCK);
      const block = embeddings.slice(start * dimension, end * dimension);
      const [nearest, own] = await Promise.all([
        nearestKept(nearestOf, block, kept.subarray(0, indices.length * dimension), dimension),
        within.run({ block: float32(block, [end - start, dimension]) }).then((t) => floatsOf(t, 'within')),
      ]);
      for (const row of keepWithinBlock(nearest, own, ceiling)) {
        kept.set(block.subarray(row * dimension, (row + 1) * dimension), indices.length * dimension);
        indices.push(start + row);
      }
    }
    return Uint32Array.from(indices);
  } finally {
    await Promise.all([nearestOf.release(), within.release()]);
  }
}

/** Largest similarity of each row of the block to the rows kept so far; −Infinity when none is. */
async function nearestKept(network: Network, block: Float32Array, kept: Float32Array, dimension: number) {
  const size = block.length / dimension;
  const slabs: Promise<Float32Array>[] = [];
  for (let at = 0; at < kept.length; at += SLAB * dimension) {
    const slab = kept.subarray(at, at + SLAB * dimension);
    const feeds = {
      block: float32(block, [size, dimension]),
      slab: float32(slab, [slab.length / dimension, dimension]),
    };
    slabs.push(network.run(feeds).then((t) => floatsOf(t, 'nearest')));
  }
  const nearest = new Float32Array(size).fill(Number.NEGATIVE_INFINITY);
  for (const part of await Promise.all(slabs))
    for (let i = 0; i < size; i++) nearest[i] = Math.max(nearest[i] as number, part[i] as number);
  return nearest;
}

function keepWithinBlock(nearest: Float32Array, own: Float32Array, ceiling: number): number[] {
  const size = nearest.length;
  const kept: number[] = [];
  for (let i = 0; i < size; i++) {
    if ((nearest[i] as number) > ceiling) continue;
    if (kept.every((j) => (own[i * size + j] as number) <= ceiling)) kept.push(i);
  }
  return kept;
}
