import { float32, GraphBuilder, int64, type Tensors } from '../onnx/index.js';

/** Candidates are looked at by blocks of neighbouring rows. */
export interface Blocks {
  /** Rows of a block, a power of two. */
  readonly size: number;
  /** How many blocks there are, at least 1. */
  readonly count: number;
  /** Rows of the last block that are no candidates, 0..size - 1. */
  readonly padding: number;
}

/** Below, looking at single rows costs nothing that could be measured. */
const FEWEST_FOR_BLOCKS = 1024;
const BLOCK_SIZE = 16;

export function blocksOf(candidates: number): Blocks {
  const size = candidates < FEWEST_FOR_BLOCKS ? 1 : BLOCK_SIZE;
  const count = Math.ceil(candidates / size);
  return { size, count, padding: count * size - candidates };
}

/** Blocks whose peaks are looked at to set a threshold: about as many, spread evenly. */
const SAMPLE = 600;
/** Standard errors of the sample's share by which a threshold errs to the low side: one query in 30,000 has to be searched again. */
const STANDARD_ERRORS = 4;
/** Below every similarity, and below that what stands where there is no candidate. */
const ALL = -2;
const NOBODY = -3;
const NO_LIMIT = 2;

/** How the threshold of a query is set. */
export interface Sieve {
  /** Every so many blocks' peaks are looked at, */
  readonly step: number;
  /** the lowest of so many, the highest of them, is the threshold, */
  readonly take: number;
  /** unless this is lower. */
  readonly limit: number;
  /** About how many candidates of each query are looked at: those of the blocks that hold one that passes. */
  readonly looked: number;
}

/**
 * Makes about as many candidates pass as are wanted. Of n candidates each is among the `width` nearest with
 * probability p = width / n, so a block of B has one of them with 1 - (1 - p)ᴮ, if they lie as they may; that share of a sample of
 * blocks, and what chance may add, are let in.
 *
 * @returns undefined where only {@link everything} is sure to hold them
 */
export function sieveFor({ size, count, padding }: Blocks, width: number): Sieve | undefined {
  const candidates = count * size - padding;
  const step = Math.max(1, Math.floor(count / SAMPLE));
  const sampled = Math.ceil(count / step);
  const share = 1 - (1 - width / candidates) ** size;
  const take = Math.ceil(sampled * share + STANDARD_ERRORS * Math.sqrt(sampled * share * (1 - share)) + 1);
  if (take >= sampled) return undefined;
  return {
    ...{ step, take, limit: NO_LIMIT },
    looked: Math.ceil((take / sampled) * count) * size,
  };
}

/** Lets all candidates pass. */
export const everything = ({ size, count }: Blocks): Sieve => ({
  ...{ step: 1, take: 1, limit: ALL },
  looked: count * size,
});

/** The graph's inputs besides queries and candidates. */
export const feedsOf = ({ step, take, limit }: Sieve): Tensors => ({
  step: int64([step]),
  take: int64([take]),
  limit: float32(Float32Array.of(limit), [1]),
});

/**
 * queries [b, d], candidates [n, d] → the similarities that reach a threshold of their query's own:
 * `similarities` [p], their `places` [p] among the rows of those blocks that hold any, and these `blocks` [h], counted through all
 * queries; both ascend. onnxruntime's TopK of some hundred costs several times the product itself, as every
 * candidate that is nearer than those before it takes its place in a heap; here each step but the last ones runs through memory in order.
 */
export function exactGraph(dimension: number, { size, count, padding }: Blocks): Uint8Array {
  const g = new GraphBuilder('exact-search');
  const queries = g.input('queries', 'float32', ['b', dimension]);
  const candidates = g.input('candidates', 'float32', [count * size - padding, dimension]);
  const [step, take] = [g.input('step', 'int64', [1]), g.input('take', 'int64', [1])];
  const limit = g.input('limit', 'float32', [1]);
  const flat = g.ints([-1]);
  const products = g.node('Gemm', [queries, candidates], { transB: 1 });
  const whole =
    padding > 0 ? g.node('Pad', [products, g.ints([0, 0, 0, padding]), g.scalar(NOBODY)]) : products;
  const byBlock = g.node('Reshape', [whole, g.ints([-1, size])]);
  const peaks = g.node('Reshape', [
    g.node('ReduceMax', [byBlock], { axes: [1], keepdims: 0 }),
    g.ints([-1, count]),
  ]);
  const sample = g.node('Slice', [peaks, g.ints([0]), g.ints([count]), g.ints([1]), step]);
  const [highest] = g.nodes('TopK', [sample, take], { axis: -1, largest: 1, sorted: 0 }, 2);
  const lowest = g.node('ReduceMin', [highest!], { axes: [1], keepdims: 1 });
  const threshold = g.node('Min', [lowest, limit]);
  const where = (reaches: typeof flat) =>
    g.node('Reshape', [g.node('NonZero', [g.node('Reshape', [reaches, flat])]), flat]);
  const blocks = where(g.node('GreaterOrEqual', [peaks, threshold]));
  const rows = g.node('Gather', [byBlock, blocks], { axis: 0 });
  const theirs = g.node('Gather', [threshold, g.node('Div', [blocks, g.ints([count])])], { axis: 0 });
  const places = where(g.node('GreaterOrEqual', [rows, theirs]));
  const passed = g.node('Gather', [g.node('Reshape', [rows, flat]), places], { axis: 0 });
  g.output('similarities', passed, 'float32', ['p']);
  g.output('places', g.cast(places, 'int32'), 'int32', ['p']);
  g.output('blocks', g.cast(blocks, 'int32'), 'int32', ['h']);
  return g.build();
}
