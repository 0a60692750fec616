import { float32, floatsOf, GraphBuilder, type InferencePool } from '../onnx/index.js';
import type { UnitMatrix } from '../vectors/index.js';

/** Similarities of some queries with all references: row i is query `begin + i`, shape [rows, width]. */
export interface SimilarityBlock {
  readonly begin: number;
  readonly rows: number;
  readonly width: number;
  readonly similarities: Float32Array;
}

/** Elements of one block: 8 MB, of which each thread holds one or two. */
const MOST = 2 ** 21;

/**
 * The similarity matrix of queries and references, block of rows after block of rows: the whole would not fit where there are many. The
 * products are made in the pool's threads, a block or two ahead of the one that is looked at.
 *
 * @throws FoilbankError FB_EMBEDDING_LENGTH, and what the pool throws
 */
export async function* similarityBlocks(
  pool: InferencePool,
  queries: UnitMatrix,
  references: UnitMatrix,
): AsyncGenerator<SimilarityBlock> {
  references.expect(queries.dimension);
  const width = references.rows;
  const network = await pool.load({
    name: 'similarities',
    graph: productGraph(queries.dimension),
    constants: { references: float32(references.shared().data, [width, references.dimension]) },
  });
  const step = Math.max(1, Math.floor(MOST / Math.max(1, width)));
  const begun: Promise<SimilarityBlock>[] = [];
  let next = 0;
  const begin = () => {
    const [from, to] = [next, Math.min(queries.rows, next + step)];
    next = to;
    const some = queries.slice(from, to);
    const feeds = { queries: float32(some.data.slice(), [some.rows, some.dimension]) };
    const block = network.run(feeds, { transfer: true }).then((results) => ({
      ...{ begin: from, rows: to - from, width, similarities: floatsOf(results, 'similarities') },
    }));
    // Its failure is thrown where it is awaited; the blocks after it are nobody's then.
    block.catch(() => {});
    begun.push(block);
  };
  try {
    while (next < queries.rows && begun.length <= pool.threads) begin();
    for (let block = begun.shift(); block; block = begun.shift()) {
      const ready = await block;
      if (next < queries.rows) begin();
      yield ready;
    }
  } finally {
    await Promise.allSettled(begun);
    await network.release();
  }
}

/** queries [b, d], references [n, d] → similarities [b, n] */
function productGraph(dimension: number): Uint8Array {
  const g = new GraphBuilder('similarities');
  const queries = g.input('queries', 'float32', ['b', dimension]);
  const references = g.input('references', 'float32', ['n', dimension]);
  g.output('similarities', g.node('Gemm', [queries, references], { transB: 1 }), 'float32', ['b', 'n']);
  return g.build();
}
