import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { float32, floatsOf, GraphBuilder, InferencePool } from '../../../../src/onnx/index.js';

let pool: InferencePool;
beforeAll(() => {
  pool = new InferencePool({ threads: 1 });
});
afterAll(() => pool.close());

const matMulTopK = (): Uint8Array => {
  const g = new GraphBuilder('nearest');
  const queries = g.input('queries', 'float32', ['batch', 3]);
  const bank = g.floats([1, 0, 0, 0, 1, 0, 0, 0, 1], [3, 3]);
  const [values, indices] = g.nodes(
    'TopK',
    [g.node('MatMul', [queries, bank]), g.ints([2])],
    { axis: -1 },
    2,
  );
  g.output('similarities', values!, 'float32', ['batch', 2]);
  g.output('indices', indices!, 'int64', ['batch', 2]);
  return g.build();
};

describe('GraphBuilder', () => {
  it('builds a graph that onnxruntime runs, with free dimensions and several outputs', async () => {
    const network = await pool.load({ name: 'nearest', graph: matMulTopK() });
    expect(network.inputs).toEqual([{ name: 'queries', type: 'float32', shape: ['batch', 3] }]);
    const result = await network.run({ queries: float32(Float32Array.of(1, 3, 2, 9, 0, 5), [2, 3]) });
    expect([...floatsOf(result, 'similarities')]).toEqual([3, 2, 9, 5]);
    expect(result.indices?.data).toEqual(BigInt64Array.of(1n, 2n, 0n, 2n));
  });

  it('writes every kind of attribute', async () => {
    const g = new GraphBuilder('attributes');
    const x = g.input('x', 'float32', [1, 4]);
    const leaky = g.node('LeakyRelu', [x], { alpha: { float: 0.25 } });
    const swapped = g.node('Transpose', [leaky], { perm: [1, 0] });
    const three = g.node('Constant', [], { value: { tensor: float32(Float32Array.of(3), [1, 1]) } });
    const list = g.node('Constant', [], { value_floats: { floats: [0.5, 1.5, 2.5] } });
    const product = g.node('Einsum', [swapped, three, list], { equation: 'ij,jk,l->il' });
    g.output('y', product, 'float32', [4, 3]);
    const network = await pool.load({ name: 'attributes', graph: g.build() });
    const y = floatsOf(await network.run({ x: float32(Float32Array.of(-4, 0, 1, 2), [1, 4]) }), 'y');
    expect([...y]).toEqual([-1.5, -4.5, -7.5, 0, 0, 0, 1.5, 4.5, 7.5, 3, 9, 15]);
  });

  it('gives the same bytes for the same calls', () => {
    expect(matMulTopK()).toEqual(matMulTopK());
  });

  it('refuses a name taken twice and a tensor whose shape does not fit its data', () => {
    const g = new GraphBuilder('wrong');
    g.input('x', 'float32', [1]);
    expect(() => g.input('x', 'float32', [1])).toThrow(/already has a value named x/);
    expect(() => g.floats([1, 2, 3], [2, 2])).toThrow(/has 3 elements/);
  });
});
