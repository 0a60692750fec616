import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GraphBuilder, type Value } from '../../src/onnx/index.js';

/** Numbers that look random and are the same everywhere. */
export function noise(length: number, seed: number, scale = 1): Float32Array {
  let state = seed >>> 0 || 1;
  return Float32Array.from({ length }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) / 2 ** 32 - 0.5) * 2 * scale;
  });
}

/** z [n, zDim], psi → image [n, 3, size, size] in [−1, 1]: smooth blobs whose place and colour depend on z. */
export function tinyGenerator(zDim = 16, size = 32): Uint8Array {
  const g = new GraphBuilder('tiny-generator');
  const z = g.input('z', 'float32', ['n', zDim]);
  const psi = g.input('psi', 'float32', []);
  const small = 4;
  const code = g.node('Mul', [z, psi]);
  const weights = g.floats(noise(zDim * 3 * small * small, 7, 0.5), [zDim, 3 * small * small]);
  const blob = g.node('Reshape', [g.node('MatMul', [code, weights]), g.ints([-1, 3, small, small])]);
  const large = g.node('Resize', [blob, '', g.floats([1, 1, size / small, size / small])], {
    mode: 'linear',
  });
  g.output('image', g.node('Tanh', [large]), 'float32', ['n', 3, size, size]);
  return g.build();
}

/** An ArcFace-like embedder: chips [n, 3, 112, 112] → [n, 512], two strided convolutions and a projection. */
export function tinyArcFace(dimension = 512): Uint8Array {
  const g = new GraphBuilder('tiny-arcface');
  let x: Value = g.input('input.1', 'float32', ['n', 3, 112, 112]);
  const conv = (input: Value, from: number, to: number, seed: number) =>
    g.node('Relu', [
      g.node('Conv', [input, g.floats(noise(to * from * 49, seed, 0.2), [to, from, 7, 7])], {
        strides: [4, 4],
        kernel_shape: [7, 7],
      }),
    ]);
  x = conv(x, 3, 8, 1);
  x = conv(x, 8, 16, 2);
  const side = 6;
  const flat = g.node('Flatten', [x], { axis: 1 });
  const features = 16 * side * side;
  g.output(
    '683',
    g.node('MatMul', [flat, g.floats(noise(features * dimension, 3, 0.05), [features, dimension])]),
    'float32',
    ['n', dimension],
  );
  return g.build();
}

/** Writes graph and card into `folder`; the card's `file` and `sha256` are filled in. Returns the card's path. */
export async function writeModel(
  folder: string,
  graph: Uint8Array,
  card: Record<string, unknown> & { name: string },
): Promise<string> {
  await mkdir(folder, { recursive: true });
  const file = `${card.name}.onnx`;
  await writeFile(join(folder, file), graph);
  const sha256 = createHash('sha256').update(graph).digest('hex');
  const path = join(folder, `${card.name}.json`);
  await writeFile(path, JSON.stringify({ file, sha256, ...card }));
  return path;
}

const common = {
  schema: 'foilbank.model-card/1',
  version: '1',
  licence: 'CC0-1.0',
  source: 'made by the tests',
};

export const tinyGeneratorCard = {
  ...common,
  name: 'tiny-generator',
  kind: 'generator',
  inputs: { z: 'z', psi: 'psi' },
  zDim: 16,
  output: 'image',
  image: { width: 32, height: 32, colour: 'rgb', range: [-1, 1] },
  psi: { default: 0.8, min: 0, max: 1.5 },
  align: { mode: 'fixed', template: 'arcface5-112', scale: 3.5, rotation: 0, translation: [0, 0] },
  golden: { latent: 'sin', psi: 0.7, pooled: new Array<number>(192).fill(0), tolerance: 0.002 },
};

export const tinyArcFaceCard = {
  ...common,
  name: 'tiny-arcface',
  kind: 'embedder',
  input: {
    name: 'input.1',
    layout: 'NCHW',
    width: 112,
    height: 112,
    colour: 'bgr',
    mean: [127.5, 127.5, 127.5],
    scale: 1 / 127.5,
  },
  align: { template: 'arcface5-112' },
  output: { name: '683', dimension: 512 },
  samePersonCeiling: 0.999,
  golden: { input: 'pattern-1', outputs: { '683': [0] }, tolerance: 0.001 },
};
