import { throwIfCancelled } from '../errors.js';
import {
  float32,
  floatsOf,
  type InferencePool,
  type Network,
  type TensorData,
  type Tensors,
} from '../onnx/index.js';
import { SIGMA_FLOOR } from '../scoring/index.js';
import { type Spread, spreadOf, type UnitMatrix } from '../vectors/index.js';
import {
  answerGraph,
  type Layers,
  type LearningState,
  layersOf,
  type Scaling,
  seenGraph,
  stateOf,
  stepFeeds,
  stepGraph,
} from './learned-network.js';
import type { Mixture } from './mixture.js';

/** Queries, and what a bank answers to each: arrays of length m. */
export interface Lessons {
  /** [m, d], in an order that has nothing to do with what they are. */
  readonly queries: UnitMatrix;
  readonly r: Float64Array;
  readonly sigma: Float64Array;
  /** Where the candidates lie; the network is told how each query stands to it. May be empty. */
  readonly mixture: Mixture;
}

export interface LearnOptions {
  /** One of its threads does the arithmetic. */
  readonly pool: InferencePool;
  /** Widths of the layers in between. Default {@link HIDDEN}. */
  readonly hidden?: readonly number[] | undefined;
  /** At most so many steps; the rate falls to zero over them. */
  readonly steps: number;
  /** Standard normal numbers to begin with. */
  normals(count: number): Float32Array;
  readonly signal?: AbortSignal | undefined;
  onProgress?(step: number, steps: number, error: number): void;
}

export interface Learned {
  readonly layers: Layers;
  readonly scaling: Scaling;
  /** Root mean square error on held-out lessons, in deviations of r and of log σ over them. */
  readonly errors: { readonly r: number; readonly logSigma: number };
  /** Steps until the state that was kept. */
  readonly steps: number;
}

/** docs/accuracy.md has what other widths give. */
const HIDDEN: readonly number[] = [768, 192];
const BATCH = 512;
/**
 * Of the errors of r and of log σ. σ over K candidates hangs on the chance of their draw, which nothing can learn and a network would
 * rather keep by heart; and accuracy hangs on r.
 */
const WEIGHTS = [1, 0.3] as const;
const RATE = 2e-3;
const WARM_UP = 100;
/** Every tenth lesson is held out: it judges, and nothing is learned from it. */
const HELD_OUT = 10;
/** Steps between two looks at the held-out lessons, and steps without an improvement after which it ends. */
const LOOK = 100;
const PATIENCE = 1200;
/** Of a bank without any spread the scaling is not infinite. */
const LEAST_SPREAD = 1e-6;
const GOLDEN = 0.6180339887498949;

/**
 * Fits a perceptron to the lessons, r and log σ, by mean squared error in units of their spread. What is kept is the state with the
 * least error on held-out lessons. The same lessons and normals give the same network on one machine.
 *
 * @throws FoilbankError FB_CANCELLED, and what the pool throws
 */
export async function learnDiscrepancy(lessons: Lessons, options: LearnOptions): Promise<Learned> {
  const { pool, hidden = HIDDEN, steps, signal, onProgress } = options;
  const all = [...Array(lessons.queries.rows).keys()];
  const [kept, taught] = [all.filter((i) => i % HELD_OUT === 0), all.filter((i) => i % HELD_OUT !== 0)];
  const inputs = await inputsOf(pool, lessons);
  const scaling = scalingOf(lessons, inputs, taught);
  const [exam, course] = [scaled(lessons, inputs, kept, scaling), scaled(lessons, inputs, taught, scaling)];
  const sizes = [inputs.width, ...hidden, 2];
  const [teacher, examiner] = [
    await pool.load({ name: 'learning', graph: stepGraph(sizes, BATCH, WEIGHTS) }),
    await pool.load({ name: 'examination', graph: answerGraph(sizes) }),
  ];
  try {
    let state = stateOf(startOf(sizes, options.normals));
    let best = {
      error: Number.POSITIVE_INFINITY,
      errors: [Number.NaN, Number.NaN],
      layers: layersOf(state),
      steps: 0,
    };
    for (let step = 1; step <= steps && step - best.steps <= PATIENCE; step++) {
      throwIfCancelled(signal, 'learning');
      const feeds = { ...batchOf(course, step), ...stepFeeds(rateAt(step, steps), step), ...state };
      state = nextState(await teacher.run(feeds, { transfer: true }));
      if (step % LOOK !== 0 && step !== steps) continue;
      const errors = await errorsOf(examiner, exam, state);
      const error = Math.hypot(...errors.map((x, i) => x * WEIGHTS[i]!));
      // Copies: the state itself is given away to the next step.
      if (error < best.error) best = { error, errors, layers: copyOf(layersOf(state)), steps: step };
      onProgress?.(step, steps, best.error);
    }
    const [r, logSigma] = best.errors as [number, number];
    return { layers: best.layers, scaling, errors: { r, logSigma }, steps: best.steps };
  } finally {
    await Promise.all([teacher.release(), examiner.release()]);
  }
}

/** Rises linearly, then falls along half a cosine to zero. */
const rateAt = (step: number, steps: number): number =>
  (RATE * Math.min(1, step / WARM_UP) * (1 + Math.cos((Math.PI * (step - 1)) / steps))) / 2;

/** Random weights that keep the size of what passes through (He et al. 2015); biases are 0. */
function startOf(sizes: readonly number[], normals: LearnOptions['normals']): Layers {
  return sizes.slice(1).map((to, i) => {
    const from = sizes[i]!;
    const deviation = Math.sqrt((i === sizes.length - 2 ? 1 : 2) / from);
    return { weight: normals(from * to).map((x) => deviation * x), bias: new Float32Array(to) };
  });
}

/** σ is 0 where K is 1. */
const logOf = (sigma: number): number => Math.log(Math.max(sigma, SIGMA_FLOOR));

const copyOf = (layers: Layers): Layers =>
  layers.map(({ weight, bias }) => ({ weight: weight.slice(), bias: bias.slice() }));

/** Lessons as the network sees them: x [rows, d], t [rows, 2]. */
interface Course {
  readonly rows: number;
  readonly x: Float32Array;
  readonly t: Float32Array;
}

/** What the network sees of each query, [rows, width]. */
interface Inputs {
  readonly width: number;
  readonly data: Float32Array;
}

/** Queries of one run. */
const RUN = 1024;

async function inputsOf(pool: InferencePool, { queries, mixture }: Lessons): Promise<Inputs> {
  const { dimension: d, rows } = queries;
  const width = d + 2 * mixture.length;
  const network = await pool.load({ name: 'what is seen', graph: seenGraph(mixture, d) });
  try {
    const data = new Float32Array(rows * width);
    for (let begin = 0; begin < rows; begin += RUN) {
      const part = queries.slice(begin, Math.min(rows, begin + RUN));
      const outputs = await network.run({ embedding: float32(part.data.slice(), [part.rows, d]) });
      data.set(floatsOf(outputs, 'seen'), begin * width);
    }
    return { width, data };
  } finally {
    await network.release();
  }
}

function scalingOf(
  { queries: { dimension: d }, r, sigma }: Lessons,
  { data, width }: Inputs,
  rows: readonly number[],
): Scaling {
  const mean = new Float64Array(width);
  const squares = new Float64Array(width);
  for (const row of rows)
    for (let i = 0; i < width; i++) {
      const x = data[row * width + i]!;
      mean[i]! += x / rows.length;
      squares[i]! += (x * x) / rows.length;
    }
  const variances = squares.map((square, i) => Math.max(square - mean[i]! ** 2, 0));
  // Coordinates of an embedding keep their proportions.
  variances.fill(variances.subarray(0, d).reduce((sum, x) => sum + x, 0) / d, 0, d);
  const [ofR, ofSigma] = [r, sigma.map(logOf)].map((values) =>
    spreadOf(Float32Array.from(rows, (row) => values[row]!)),
  ) as [Spread, Spread];
  const one = (deviation: number) => Math.max(deviation, LEAST_SPREAD);
  return {
    mean,
    scales: variances.map((variance) => 1 / one(Math.sqrt(variance))),
    means: [ofR.mean, ofSigma.mean],
    deviations: [one(ofR.deviation), one(ofSigma.deviation)],
  };
}

function scaled({ r, sigma }: Lessons, inputs: Inputs, rows: readonly number[], scaling: Scaling): Course {
  const { mean, scales, means, deviations } = scaling;
  const { data, width } = inputs;
  const x = new Float32Array(rows.length * width);
  const t = new Float32Array(rows.length * 2);
  rows.forEach((row, i) => {
    for (let j = 0; j < width; j++) x[i * width + j] = (data[row * width + j]! - mean[j]!) * scales[j]!;
    t[2 * i] = (r[row]! - means[0]) / deviations[0];
    t[2 * i + 1] = (logOf(sigma[row]!) - means[1]) / deviations[1];
  });
  return { rows: rows.length, x, t };
}

/**
 * The lessons of a step. Every pass over the course takes them by another stride, so that the same ones seldom meet again.
 */
function batchOf({ rows, x, t }: Course, step: number): { x: TensorData; t: TensorData } {
  const d = x.length / rows;
  const batch = { x: new Float32Array(BATCH * d), t: new Float32Array(BATCH * 2) };
  let [pass, stride] = [-1, 1];
  for (let i = 0; i < BATCH; i++) {
    const number = (step - 1) * BATCH + i;
    if (Math.floor(number / rows) !== pass) {
      pass = Math.floor(number / rows);
      stride = strideOf(rows, pass);
    }
    const row = ((number % rows) * stride) % rows;
    batch.x.set(x.subarray(row * d, (row + 1) * d), i * d);
    batch.t.set(t.subarray(2 * row, 2 * row + 2), 2 * i);
  }
  return { x: float32(batch.x, [BATCH, d]), t: float32(batch.t, [BATCH, 2]) };
}

/** A stride through `rows` that meets every row once: it has no divisor in common with their number. */
function strideOf(rows: number, pass: number): number {
  const common = (a: number, b: number): number => (b === 0 ? a : common(b, a % b));
  let stride = Math.max(1, Math.floor(((pass + 1) * GOLDEN * rows) % rows));
  while (common(rows, stride) !== 1) stride++;
  return stride;
}

const nextState = (outputs: Tensors): LearningState =>
  Object.fromEntries(
    Object.entries(outputs).flatMap(([name, tensor]) =>
      name.endsWith("'") ? [[name.slice(0, -1), tensor]] : [],
    ),
  );

/** Root mean square errors of both outputs, in deviations. */
async function errorsOf(network: Network, { rows, x, t }: Course, state: LearningState): Promise<number[]> {
  const parameters = Object.fromEntries(Object.entries(state).filter(([name]) => name.startsWith('p')));
  const y = floatsOf(await network.run({ x: float32(x, [rows, x.length / rows]), ...parameters }), 'y');
  const squares = [0, 0];
  y.forEach((value, i) => {
    squares[i & 1]! += (value - t[i]!) ** 2;
  });
  return squares.map((sum) => Math.sqrt(sum / rows));
}
