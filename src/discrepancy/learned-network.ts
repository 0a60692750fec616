import { float32, GraphBuilder, type TensorData, type Value } from '../onnx/index.js';
import { factorOf } from '../vectors/index.js';
import type { Mixture } from './mixture.js';

/** One layer: x ↦ x·weight + bias; all but the last are followed by max(·, 0). */
export interface Layer {
  /** [from, to], row-major. */
  readonly weight: Float32Array;
  /** [to] */
  readonly bias: Float32Array;
}

/** A perceptron: layers one after the other. */
export type Layers = readonly Layer[];

const sizesOf = (layers: Layers): number[] => {
  const outputs = layers.map(({ bias }) => bias.length);
  return [layers[0]!.weight.length / outputs[0]!, ...outputs];
};

/** The parameters in the order in which the graphs below take and give them. */
const parametersOf = (layers: Layers): Float32Array[] => layers.flatMap(({ weight, bias }) => [weight, bias]);

/** A state of learning: parameters, and Adam's running means of their gradients and of their squares. */
export type LearningState = Readonly<Record<string, TensorData>>;

const KINDS = ['p', 'm', 'v'] as const;
const FIRST_DECAY = 0.9;
const SECOND_DECAY = 0.999;
const EPSILON = 1e-8;

/** The state to begin with. */
export function stateOf(layers: Layers): LearningState {
  const sizes = sizesOf(layers);
  const tensors: Record<string, TensorData> = {};
  parametersOf(layers).forEach((values, i) => {
    const dims = i % 2 === 0 ? [sizes[i >> 1]!, sizes[(i >> 1) + 1]!] : [values.length];
    tensors[`p${i}`] = float32(values, dims);
    tensors[`m${i}`] = float32(new Float32Array(values.length), dims);
    tensors[`v${i}`] = float32(new Float32Array(values.length), dims);
  });
  return tensors;
}

/** The layers inside a state. */
export function layersOf(state: LearningState): Layers {
  const layers: Layer[] = [];
  for (let i = 0; `p${i}` in state; i += 2)
    layers.push({
      weight: state[`p${i}`]!.data as Float32Array,
      bias: state[`p${i + 1}`]!.data as Float32Array,
    });
  return layers;
}

/** What a step needs besides the state: the rate of learning, and Adam's corrections for running means that began at zero. */
export function stepFeeds(rate: number, step: number): Record<string, TensorData> {
  const scalar = (value: number) => float32(Float32Array.of(value), []);
  return {
    rate: scalar(rate),
    first: scalar(1 / (1 - FIRST_DECAY ** step)),
    second: scalar(1 / (1 - SECOND_DECAY ** step)),
  };
}

/** Runs x through the layers. @returns what goes into each layer, and the last one's output */
function forward(
  g: GraphBuilder,
  x: Value,
  parameters: readonly Value[],
): { inputs: Value[]; output: Value } {
  const inputs = [x];
  const last = parameters.length / 2 - 1;
  for (let i = 0; i < last; i++)
    inputs.push(g.node('Relu', [g.node('Gemm', [inputs[i]!, parameters[2 * i]!, parameters[2 * i + 1]!])]));
  const output = g.node('Gemm', [inputs[last]!, parameters[2 * last]!, parameters[2 * last + 1]!]);
  return { inputs, output };
}

const inputsOf = (g: GraphBuilder, kind: string, sizes: readonly number[]): Value[] =>
  sizes
    .slice(1)
    .flatMap((size, i) => [
      g.input(`${kind}${2 * i}`, 'float32', [sizes[i]!, size]),
      g.input(`${kind}${2 * i + 1}`, 'float32', [size]),
    ]);

/** The layers alone: x [b, from] and parameters → y [b, to]. */
export function answerGraph(sizes: readonly number[]): Uint8Array {
  const g = new GraphBuilder('learning-answer');
  const x = g.input('x', 'float32', ['b', sizes[0]!]);
  const { output } = forward(g, x, inputsOf(g, 'p', sizes));
  g.output('y', output, 'float32', ['b', sizes.at(-1)!]);
  return g.build();
}

/**
 * One step of learning as a graph: mean squared error of a batch, each output's error weighted, its gradient by back-propagation, and
 * Adam (Kingma, Ba 2015).
 * Native matrix products do it some tens of times faster than JavaScript, and nothing has to be installed for it.
 *
 * Inputs x [b, from], t [b, to], those of {@link stepFeeds} and of a state; outputs `loss` and the next state.
 */
export function stepGraph(sizes: readonly number[], batch: number, weights: readonly number[]): Uint8Array {
  const g = new GraphBuilder('learning-step');
  const [from, to] = [sizes[0]!, sizes.at(-1)!];
  const x = g.input('x', 'float32', [batch, from]);
  const t = g.input('t', 'float32', [batch, to]);
  const [rate, first, second] = ['rate', 'first', 'second'].map((name) => g.input(name, 'float32', []));
  const [parameters, means, squares] = KINDS.map((kind) => inputsOf(g, kind, sizes)) as [
    Value[],
    Value[],
    Value[],
  ];
  const { inputs, output } = forward(g, x, parameters);
  const scales = g.floats(weights);
  const error = g.node('Mul', [g.node('Sub', [output, t]), scales]);
  g.output('loss', g.node('ReduceMean', [g.node('Mul', [error, error])], { keepdims: 0 }), 'float32', []);
  const rows = g.ints([0]);
  const [a, b] = [FIRST_DECAY, SECOND_DECAY].map((x) => [g.scalar(x), g.scalar(1 - x)]);
  const epsilon = g.scalar(EPSILON);
  const mix = ([keep, take]: Value[], old: Value, now: Value) =>
    g.node('Add', [g.node('Mul', [old, keep!]), g.node('Mul', [now, take!])]);
  const update = (i: number, gradient: Value, dims: readonly number[]) => {
    const m = mix(a!, means[i]!, gradient);
    const v = mix(b!, squares[i]!, g.node('Mul', [gradient, gradient]));
    const length = g.node('Add', [g.node('Sqrt', [g.node('Mul', [v, second!])]), epsilon]);
    const step = g.node('Div', [g.node('Mul', [g.node('Mul', [m, first!]), rate!]), length]);
    const p = g.node('Sub', [parameters[i]!, step]);
    [p, m, v].forEach((value, kind) => {
      g.output(`${KINDS[kind]}${i}'`, value, 'float32', dims);
    });
  };
  let delta = g.node('Mul', [g.node('Mul', [error, scales]), g.scalar(2 / (batch * to))]);
  for (let i = sizes.length - 2; i >= 0; i--) {
    const [size, next] = [sizes[i]!, sizes[i + 1]!];
    update(2 * i, g.node('Gemm', [inputs[i]!, delta], { transA: 1 }), [size, next]);
    update(2 * i + 1, g.node('ReduceSum', [delta, rows], { keepdims: 0 }), [next]);
    // What passed a rectifier is positive, what it held back is 0: the sign is its derivative.
    if (i > 0)
      delta = g.node('Mul', [
        g.node('Gemm', [delta, parameters[2 * i]!], { transB: 1 }),
        g.node('Sign', [inputs[i]!]),
      ]);
  }
  return g.build();
}

/** Directions in which a component's deviations are told apart; in all others it has their mean. Measured in docs/accuracy.md. */
const RANK = 32;

/**
 * What the network sees of an embedding v, [b, d + 2·components]: v itself, and for every component of a mixture mean and deviation
 * of s(v, c) over it, v·μ and √(vᵀΣv). Of these a closed form of r and σ is made, so that the network is left what that misses.
 */
function seen(g: GraphBuilder, embedding: Value, mixture: Mixture, d: number): Value {
  if (mixture.length === 0) return embedding;
  const count = mixture.length;
  const rank = Math.min(RANK, d);
  const means = new Float32Array(d * count);
  const factors = new Float32Array(d * count * rank);
  const rests = mixture.map(({ mean, covariance }, k) => {
    const { factor, rest } = factorOf(covariance, rank);
    for (let i = 0; i < d; i++) {
      means[i * count + k] = mean[i]!;
      for (let j = 0; j < rank; j++) factors[(i * count + k) * rank + j] = factor[i * rank + j]!;
    }
    return rest;
  });
  const along = g.node('MatMul', [embedding, g.floats(means, [d, count])]);
  const parts = g.node('MatMul', [embedding, g.floats(factors, [d, count * rank])]);
  const squares = g.node('Reshape', [g.node('Mul', [parts, parts]), g.ints([-1, count, rank])]);
  const told = g.node('ReduceSum', [squares, g.ints([2])], { keepdims: 0 });
  // An embedding has unit length.
  const variances = g.node('Add', [told, g.floats(rests)]);
  return g.node('Concat', [embedding, along, g.node('Sqrt', [variances])], { axis: 1 });
}

/** embedding [b, d] → seen [b, d + 2·components]. */
export function seenGraph(mixture: Mixture, d: number): Uint8Array {
  const g = new GraphBuilder('what-is-seen');
  const value = seen(g, g.input('embedding', 'float32', ['b', d]), mixture, d);
  g.output('seen', value, 'float32', ['b', d + 2 * mixture.length]);
  return g.build();
}

/** How what is seen comes into the network, and how what comes out of it is r and σ. */
export interface Scaling {
  /** [inputs], subtracted from what is seen; then it is multiplied by `scales`. */
  readonly mean: Float64Array;
  readonly scales: Float64Array;
  /** Of r and log σ: outputs are multiplied by the deviations, then the means are added. */
  readonly means: readonly [number, number];
  readonly deviations: readonly [number, number];
}

/** The familiar place: mean [d] and the matrix [d, d] that whitens the covariance round it. */
export interface Place {
  readonly mean: Float64Array;
  readonly whitening: Float64Array;
}

/**
 * The learned estimator as it is stored: embedding [b, d] → r [b], sigma [b], and distance [b], by which queries far from all
 * that it learned from are told: √(|(v − mean)·whitening|² / d), about 1 for familiar ones.
 */
export function estimatorGraph(layers: Layers, scaling: Scaling, mixture: Mixture, place: Place): Uint8Array {
  const g = new GraphBuilder('learned-discrepancy');
  const d = place.mean.length;
  const sizes = sizesOf(layers);
  const embedding = g.input('embedding', 'float32', ['b', d]);
  const folded = folds(layers, scaling);
  const parameters = folded.flatMap(({ weight, bias }, i) => [
    g.floats(weight, [sizes[i]!, sizes[i + 1]!]),
    g.floats(bias),
  ]);
  const { output } = forward(g, seen(g, embedding, mixture, d), parameters);
  const [r, logSigma] = g.nodes('Split', [output, g.ints([1, 1])], { axis: 1 }, 2);
  const column = g.ints([1]);
  g.output('r', g.node('Squeeze', [r!, column]), 'float32', ['b']);
  g.output('sigma', g.node('Squeeze', [g.node('Exp', [logSigma!]), column]), 'float32', ['b']);
  const origin = place.whitening.reduce((sums, x, i) => {
    sums[i % d]! -= place.mean[Math.floor(i / d)]! * x;
    return sums;
  }, new Float64Array(d));
  const white = g.node('Gemm', [embedding, g.floats(place.whitening, [d, d]), g.floats(origin)]);
  const square = g.node('ReduceMean', [g.node('Mul', [white, white])], { axes: [1], keepdims: 0 });
  g.output('distance', g.node('Sqrt', [square]), 'float32', ['b']);
  return g.build();
}

/** The layers with the scaling in their first and last weights. */
function folds(layers: Layers, { mean, scales, means, deviations }: Scaling): Layers {
  const copies = layers.map(({ weight, bias }) => ({ weight: weight.slice(), bias: bias.slice() }));
  const [first, last] = [copies[0]!, copies.at(-1)!];
  const width = first.bias.length;
  for (let j = 0; j < width; j++) {
    let sum = 0;
    for (let i = 0; i < mean.length; i++) {
      const x = first.weight[i * width + j]! * scales[i]!;
      first.weight[i * width + j] = x;
      sum += x * mean[i]!;
    }
    first.bias[j]! -= sum;
  }
  for (let i = 0; i < last.weight.length; i++) last.weight[i]! *= deviations[i % 2]!;
  for (let j = 0; j < 2; j++) last.bias[j] = last.bias[j]! * deviations[j]! + means[j]!;
  return copies;
}
