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
import { momentsOf, type Spread, spreadOf, traceOf, type UnitMatrix } from '../vectors/index.js';
import {
  answerGraph,
  type Layers,
  type LearningState,
  layersOf,
  type Scaling,
  stateOf,
  stepFeeds,
  stepGraph,
} from './learned-network.js';

/** Queries, and what a bank answers to each: arrays of length m. */
export interface Lessons {
  /** [m, d], in an order that has nothing to do with what they are. */
  readonly queries: UnitMatrix;
  readonly r: Float64Array;
  readonly sigma: Float64Array;
}

export interface LearnOptions {
  /** Its threads do the arithmetic: one thread of several cores is quickest. */
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
const HIDDEN: readonly number[] = [1024, 256];
const BATCH = 512;
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
  const scaling = scalingOf(lessons, taught);
  const [exam, course] = [scaled(lessons, kept, scaling), scaled(lessons, taught, scaling)];
  const sizes = [lessons.queries.dimension, ...hidden, 2];
  const [teacher, examiner] = [
    await pool.load({ name: 'learning', graph: stepGraph(sizes, BATCH) }),
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
      const error = Math.hypot(...errors);
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

function scalingOf({ queries, r, sigma }: Lessons, rows: readonly number[]): Scaling {
  const { dimension: d } = queries;
  const { mean, scatter, n } = momentsOf(queries.gather(rows));
  const [ofR, ofSigma] = [r, sigma.map(logOf)].map((values) =>
    spreadOf(Float32Array.from(rows, (row) => values[row]!)),
  ) as [Spread, Spread];
  const one = (deviation: number) => Math.max(deviation, LEAST_SPREAD);
  return {
    mean,
    scale: 1 / Math.max(Math.sqrt(traceOf(scatter) / n / d), LEAST_SPREAD),
    means: [ofR.mean, ofSigma.mean],
    deviations: [one(ofR.deviation), one(ofSigma.deviation)],
  };
}

function scaled({ queries, r, sigma }: Lessons, rows: readonly number[], scaling: Scaling): Course {
  const { mean, scale, means, deviations } = scaling;
  const { dimension: d } = queries;
  const x = Float32Array.from(queries.gather(rows).data, (value, i) => (value - mean[i % d]!) * scale);
  const t = Float32Array.from({ length: 2 * rows.length }, (_, i) => {
    const [row, output] = [rows[i >> 1]!, i & 1];
    const value = output === 0 ? r[row]! : logOf(sigma[row]!);
    return (value - means[output]!) / deviations[output]!;
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
