import { GraphBuilder, type Value } from './graph.js';
import { convolution, filtersOf, relu6, SAME, SAME_STRIDE_2, VALID } from './layers.js';
import type { WeightMap } from './weights.js';

const ANCHORS = 5118;
const CLASSES = 3;
const BATCH_NORM_EPSILON = 0.001;
/** Depthwise blocks that halve the size. */
const STRIDED_BLOCKS = [2, 4, 6, 12];

/**
 * The SSD MobileNet v1 face detector of face-api: `images` float32 [N, 3, 512, 512], RGB in 0..255 → `boxes` float32 [N, 5118, 4], corners
 * (y, x, y, x) as shares of the square, and `scores` float32 [N, 5118] in 0..1. Overlapping boxes are still in.
 */
export function detectorGraph(weights: WeightMap): Uint8Array {
  const g = new GraphBuilder('detector');
  const images = g.input('images', 'float32', ['N', 3, 512, 512]);
  const maps = featureMaps(g, weights, images);
  const encodings = predictions(g, weights, maps, 'BoxEncodingPredictor', 4);
  const classes = predictions(g, weights, maps, 'ClassPredictor', CLASSES);
  // Column 1 is the face; 0 is background and 2 was never trained.
  const face = g.node('Gather', [classes, g.ints([1], [])], { axis: 2 });
  g.output('boxes', decodedBoxes(g, weights, encodings), 'float32', ['N', ANCHORS, 4]);
  g.output('scores', g.node('Sigmoid', [face]), 'float32', ['N', ANCHORS]);
  return g.build();
}

/** The six maps that the predictors look at, from 32×32 down to 1×1. */
function featureMaps(g: GraphBuilder, weights: WeightMap, images: Value): Value[] {
  let x = g.node('Sub', [g.node('Div', [images, g.scalar(127.5)]), g.scalar(1)]);
  x = pointwise(g, weights, x, 'MobilenetV1/Conv2d_0_pointwise', 2);
  const maps: Value[] = [];
  for (let block = 1; block <= 13; block++) {
    x = depthwise(
      g,
      weights,
      x,
      `MobilenetV1/Conv2d_${block}_depthwise`,
      STRIDED_BLOCKS.includes(block) ? 2 : 1,
    );
    x = pointwise(g, weights, x, `MobilenetV1/Conv2d_${block}_pointwise`, 1);
    if (block === 11 || block === 13) maps.push(x);
  }
  for (let layer = 0; layer < 8; layer++) {
    x = pointwise(g, weights, x, `Prediction/Conv2d_${layer}_pointwise`, layer % 2 === 0 ? 1 : 2);
    if (layer % 2 === 1) maps.push(x);
  }
  return maps;
}

function pointwise(g: GraphBuilder, weights: WeightMap, x: Value, name: string, stride: 1 | 2): Value {
  const filters = filtersOf(weights.get(`${name}/weights`, 4));
  const bias = weights.get(`${name}/convolution_bn_offset`, 1).data;
  const padding = filters.dims[2] === 1 ? VALID : stride === 2 ? SAME_STRIDE_2 : SAME;
  return relu6(g, convolution(g, x, filters, bias, { stride, padding }));
}

/** A depthwise convolution with its batch normalisation folded in. */
function depthwise(g: GraphBuilder, weights: WeightMap, x: Value, name: string, stride: 1 | 2): Value {
  const norm = (part: string) => weights.get(`${name}/BatchNorm/${part}`, 1).data;
  const gamma = norm('gamma');
  const scale = Array.from(
    norm('moving_variance'),
    (variance, i) => gamma[i]! / Math.sqrt(variance + BATCH_NORM_EPSILON),
  );
  const mean = norm('moving_mean');
  const bias = norm('beta').map((beta, i) => beta - mean[i]! * scale[i]!);
  const filters = filtersOf(weights.get(`${name}/depthwise_weights`, 4), scale, true);
  const padding = stride === 2 ? SAME_STRIDE_2 : SAME;
  return relu6(g, convolution(g, x, filters, bias, { stride, padding, groups: bias.length }));
}

/** One predictor a map, its channels split into anchors: [N, 5118, width]. */
function predictions(
  g: GraphBuilder,
  weights: WeightMap,
  maps: readonly Value[],
  predictor: string,
  width: number,
): Value {
  const parts = maps.map((map, i) => {
    const name = `Prediction/BoxPredictor_${i}/${predictor}`;
    const filters = filtersOf(weights.get(`${name}/weights`, 4));
    const raw = convolution(g, map, filters, weights.get(`${name}/biases`, 1).data, {
      stride: 1,
      padding: VALID,
    });
    return g.node('Reshape', [g.node('Transpose', [raw], { perm: [0, 2, 3, 1] }), g.ints([0, -1, width])]);
  });
  return g.node('Concat', parts, { axis: 1 });
}

/** centre = anchor centre + offset/10 · anchor size; size = anchor size · exp(offset/5). Both as (y, x). */
function decodedBoxes(g: GraphBuilder, weights: WeightMap, encodings: Value): Value {
  const anchors = weights.get('Output/extra_dim', 3).data;
  const centres = new Float32Array(ANCHORS * 2);
  const sizes = new Float32Array(ANCHORS * 2);
  for (let a = 0; a < ANCHORS; a++)
    for (let axis = 0; axis < 2; axis++) {
      const low = anchors[a * 4 + axis]!;
      const size = anchors[a * 4 + axis + 2]! - low;
      sizes[a * 2 + axis] = size;
      centres[a * 2 + axis] = low + size / 2;
    }
  const size = g.floats(sizes, [1, ANCHORS, 2]);
  const [offset, growth] = g.nodes('Split', [encodings], { axis: 2 }, 2) as [Value, Value];
  const centre = g.node('Add', [
    g.node('Mul', [g.node('Div', [offset, g.scalar(10)]), size]),
    g.floats(centres, [1, ANCHORS, 2]),
  ]);
  const extent = g.node('Mul', [g.node('Exp', [g.node('Div', [growth, g.scalar(5)])]), size]);
  const half = g.node('Div', [extent, g.scalar(2)]);
  return g.node('Concat', [g.node('Sub', [centre, half]), g.node('Add', [centre, half])], { axis: 2 });
}
