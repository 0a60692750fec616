import { GraphBuilder, type Value } from './graph.js';
import { centred, convolution, filtersOf, relu, SAME, SAME_STRIDE_2 } from './layers.js';
import type { WeightMap } from './weights.js';

/**
 * The 68-landmark network of face-api: `faces` float32 [N, 3, 112, 112], RGB in 0..255 → `landmarks` float32 [N, 68, 2], x and y as shares
 * of the square.
 */
export function landmarksGraph(weights: WeightMap): Uint8Array {
  const g = new GraphBuilder('landmarks');
  const faces = g.input('faces', 'float32', ['N', 3, 112, 112]);
  let x = centred(g, faces);
  for (let block = 0; block < 4; block++) x = denseBlock(g, weights, x, `dense${block}`);
  const pooled = g.node('Flatten', [g.node('GlobalAveragePool', [x])]);
  const fc = weights.get('fc/weights', 2);
  const points = g.node('Add', [
    g.node('MatMul', [pooled, g.floats(fc.data, fc.dims)]),
    g.floats(weights.get('fc/bias', 1).data),
  ]);
  g.output('landmarks', g.node('Reshape', [points, g.ints([0, 68, 2])]), 'float32', ['N', 68, 2]);
  return g.build();
}

/** Four convolutions, each fed with the rectified sum of all before it; the first halves the size. */
function denseBlock(g: GraphBuilder, weights: WeightMap, x: Value, name: string): Value {
  let sum = relu(g, blockConvolution(g, weights, x, `${name}/conv0`, 2));
  let rectified = sum;
  for (let i = 1; i < 4; i++) {
    sum = g.node('Add', [sum, blockConvolution(g, weights, rectified, `${name}/conv${i}`, 1)]);
    rectified = relu(g, sum);
  }
  return rectified;
}

/** Depthwise, then pointwise; the very first layer is an ordinary convolution. */
function blockConvolution(g: GraphBuilder, weights: WeightMap, x: Value, name: string, stride: 1 | 2): Value {
  const options = { stride, padding: stride === 2 ? SAME_STRIDE_2 : SAME };
  const bias = weights.get(`${name}/bias`, 1).data;
  if (name === 'dense0/conv0')
    return convolution(g, x, filtersOf(weights.get(`${name}/filters`, 4)), bias, options);
  const depthwise = filtersOf(weights.get(`${name}/depthwise_filter`, 4), undefined, true);
  const spatial = convolution(g, x, depthwise, undefined, { ...options, groups: depthwise.dims[0]! });
  return convolution(g, spatial, filtersOf(weights.get(`${name}/pointwise_filter`, 4)), bias, {
    stride: 1,
    padding: [0, 0, 0, 0],
  });
}
