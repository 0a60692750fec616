import { GraphBuilder, type Value } from './graph.js';
import { centred, convolution, filtersOf, type Padding, relu, SAME, VALID } from './layers.js';
import type { WeightMap } from './weights.js';

/** Depth of the stages; a stage after the first begins with a block that halves the size and doubles the channels. */
const STAGES = [
  { channels: 32, blocks: ['32_1', '32_2', '32_3'] },
  { channels: 64, down: '64_down', blocks: ['64_1', '64_2', '64_3'] },
  { channels: 128, down: '128_down', blocks: ['128_1', '128_2'] },
  { channels: 256, down: '256_down', blocks: ['256_1', '256_2'] },
  { channels: 256, down: '256_down_out', blocks: [] },
] as const;
/** Where three rows of the convolution meet four of the pooled shortcut: 8 → 3 and 4, 4 → 1 and 2. */
const SHORT_BY_ONE: readonly string[] = ['256_down', '256_down_out'];

/**
 * The residual recogniser of face-api (dlib's face_recognition_resnet_model_v1): `chips` float32 [N, 3, 150, 150], RGB in 0..255 →
 * `embeddings` float32 [N, 128], not normalised.
 */
export function recogniserGraph(weights: WeightMap): Uint8Array {
  const g = new GraphBuilder('recogniser');
  const chips = g.input('chips', 'float32', ['N', 3, 150, 150]);
  let x = relu(g, scaledConvolution(g, weights, centred(g, chips), 'conv32_down', 2, VALID));
  x = g.node('MaxPool', [x], { kernel_shape: [3, 3], strides: [2, 2] });
  let channels = 32;
  for (const stage of STAGES) {
    if ('down' in stage) x = downBlock(g, weights, x, stage.down, stage.channels - channels);
    channels = stage.channels;
    for (const block of stage.blocks) x = residualBlock(g, weights, x, `conv${block}`);
  }
  const pooled = g.node('ReduceMean', [x], { axes: [2, 3], keepdims: 0 });
  const fc = weights.get('fc', 2);
  g.output('embeddings', g.node('MatMul', [pooled, g.floats(fc.data, fc.dims)]), 'float32', ['N', 128]);
  return g.build();
}

function residualBlock(g: GraphBuilder, weights: WeightMap, x: Value, name: string): Value {
  const first = relu(g, scaledConvolution(g, weights, x, `${name}/conv1`, 1, SAME));
  const second = scaledConvolution(g, weights, first, `${name}/conv2`, 1, SAME);
  return relu(g, g.node('Add', [second, x]));
}

/** The shortcut is an average pool; the channels that it lacks are zeros after its own. */
function downBlock(g: GraphBuilder, weights: WeightMap, x: Value, block: string, missing: number): Value {
  const first = relu(g, scaledConvolution(g, weights, x, `conv${block}/conv1`, 2, VALID));
  let second = scaledConvolution(g, weights, first, `conv${block}/conv2`, 1, SAME);
  if (SHORT_BY_ONE.includes(block)) second = g.node('Pad', [second, g.ints([0, 0, 0, 0, 0, 0, 1, 1])]);
  let shortcut = g.node('AveragePool', [x], { kernel_shape: [2, 2], strides: [2, 2] });
  if (missing > 0) shortcut = g.node('Pad', [shortcut, g.ints([0, 0, 0, 0, 0, missing, 0, 0])]);
  return relu(g, g.node('Add', [shortcut, second]));
}

/** A convolution and the per-channel scale and shift behind it, folded into one. */
function scaledConvolution(
  g: GraphBuilder,
  weights: WeightMap,
  x: Value,
  name: string,
  stride: number,
  padding: Padding,
): Value {
  const scale = weights.get(`${name}/scale/weights`, 1).data;
  const shift = weights.get(`${name}/scale/biases`, 1).data;
  const bias = weights.get(`${name}/conv/bias`, 1).data.map((b, i) => b * scale[i]! + shift[i]!);
  return convolution(g, x, filtersOf(weights.get(`${name}/conv/filters`, 4), scale), bias, {
    stride,
    padding,
  });
}
