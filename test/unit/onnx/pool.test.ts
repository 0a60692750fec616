import { afterAll, describe, expect, it } from 'vitest';
import {
  float32,
  floatsOf,
  free,
  GraphBuilder,
  InferencePool,
  resolvePoolOptions,
} from '../../../src/onnx/index.js';
import { noise } from '../../support/tiny-models.js';

/** y = x · w, heavy enough to be felt. */
function productGraph(size: number): Uint8Array {
  const g = new GraphBuilder('product');
  const x = g.input('x', 'float32', ['n', size]);
  const w = g.input('w', 'float32', [size, size]);
  g.output('y', g.node('MatMul', [x, w]), 'float32', ['n', size]);
  return g.build();
}

const pool = new InferencePool({ threads: 2 });
afterAll(() => pool.close());

describe('InferencePool', () => {
  it('runs a graph with inputs bound once per thread, shared memory among them', async () => {
    const shared = new Float32Array(new SharedArrayBuffer(16));
    shared.set([1, 0, 0, 2]);
    const network = await pool.load({
      name: 'product',
      graph: productGraph(2),
      constants: { w: float32(shared, [2, 2]) },
    });
    const run = async (a: number, b: number) =>
      floatsOf(await network.run({ x: float32(Float32Array.of(a, b), [1, 2]) }), 'y');
    const results = await Promise.all(Array.from({ length: 20 }, (_, i) => run(i, 1)));
    results.forEach((y, i) => {
      expect([...y]).toEqual([i, 2]);
    });
    expect(network.spent.runs).toBe(20);
    await network.release();
  });

  it('keeps the event loop alive while a network computes', async () => {
    const size = 2000;
    const network = await pool.load({
      name: 'product',
      graph: productGraph(size),
      constants: { w: float32(noise(size * size, 1), [size, size]) },
    });
    const x = noise(size * size, 2);
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await network.run({ x: float32(x, [size, size]) }, { transfer: true });
    clearInterval(timer);
    expect(network.spent.milliseconds).toBeGreaterThan(50);
    // Had the run blocked this thread, the timer could have fired once or twice.
    expect(ticks).toBeGreaterThan(10);
    await network.release();
  });

  it('moves the feeds instead of copying them when asked to', async () => {
    const network = await pool.load({ name: 'product', graph: productGraph(2) });
    const x = Float32Array.of(1, 2);
    await network.run(
      { x: float32(x, [1, 2]), w: float32(Float32Array.of(1, 0, 0, 1), [2, 2]) },
      { transfer: true },
    );
    expect(x.length).toBe(0);
    await network.release();
  });

  it('names the network when a run fails, and goes on serving', async () => {
    const network = await pool.load({ name: 'product', graph: productGraph(2) });
    const good = {
      x: float32(Float32Array.of(1, 2), [1, 2]),
      w: float32(Float32Array.of(1, 0, 0, 1), [2, 2]),
    };
    await expect(network.run({ ...good, x: float32(new Float32Array(3), [1, 3]) })).rejects.toMatchObject({
      code: 'FB_INFERENCE_FAILED',
      message: expect.stringContaining('product'),
    });
    expect([...floatsOf(await network.run(good), 'y')]).toEqual([1, 2]);
    await network.release();
  });

  it.each([
    ['bytes that are no graph', new TextEncoder().encode('not an onnx file')],
    ['no bytes', new Uint8Array(0)],
    ['a path that does not exist', '/does/not/exist.onnx'],
  ])('refuses %s with a code', async (_, graph) => {
    await expect(pool.load({ name: 'broken', graph })).rejects.toMatchObject({
      code: 'FB_MODEL_LOAD_FAILED',
    });
  });

  it('serves waiting runs of higher priority first', async () => {
    const single = new InferencePool({ threads: 1 });
    const network = await single.load({
      name: 'product',
      graph: productGraph(2),
      constants: { w: float32(new Float32Array(4), [2, 2]) },
    });
    const order: string[] = [];
    const run = (label: string, priority: number) =>
      network.run({ x: float32(new Float32Array(2), [1, 2]) }, { priority }).then(() => order.push(label));
    await Promise.all([run('first', 0), run('early', 0), run('late stage', 2), run('later', 1)]);
    expect(order).toEqual(['first', 'late stage', 'later', 'early']);
    await single.close();
  });

  it('may be closed while its threads still load', async () => {
    for (let i = 0; i < 20; i++) await new InferencePool({ threads: 2 }).close();
  }, 60_000);

  it('lets runs under way finish when it is closed, and rejects the others', async () => {
    const closing = new InferencePool({ threads: 1 });
    const network = await closing.load({
      name: 'product',
      graph: productGraph(2),
      constants: { w: float32(new Float32Array(4), [2, 2]) },
    });
    const runs = Array.from({ length: 3 }, () => network.run({ x: float32(new Float32Array(2), [1, 2]) }));
    const settled = Promise.allSettled(runs);
    await closing.close();
    expect((await settled).map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    await expect(network.run({ x: float32(new Float32Array(2), [1, 2]) })).rejects.toMatchObject({
      code: 'FB_CANCELLED',
    });
  });
});

/** A program whose source is given; tests have no other module that threads can import. */
const programOf = (start: string) =>
  new URL(`data:text/javascript,${encodeURIComponent(`export default ${start}`)}`);

describe('a program in the threads of a pool', () => {
  it('runs networks of its own and answers each call', async () => {
    const module = programOf(`async (host, graph) => {
      const network = await host.load({ name: 'product', graph });
      return async (x) => {
        const tensor = (data, dims) => ({ type: 'float32', data: Float32Array.from(data), dims });
        const { y } = await network.run({ x: tensor(x, [1, 2]), w: tensor([1, 0, 0, 2], [2, 2]) });
        return [...y.data];
      };
    }`);
    const program = await pool.start<Uint8Array, number[], number[]>(module, productGraph(2));
    const before = pool.milliseconds;
    const answers = await Promise.all(Array.from({ length: 9 }, (_, i) => program.call([i, i])));
    expect(answers).toEqual(Array.from({ length: 9 }, (_, i) => [i, 2 * i]));
    expect(pool.milliseconds).toBeGreaterThan(before);
  });

  it('fails with the code of what went wrong inside, at its start and at a call', async () => {
    const loads = `host.load({ name: 'broken', graph: new Uint8Array(0) })`;
    const failed = { code: 'FB_MODEL_LOAD_FAILED', details: { name: 'broken' } };
    await expect(pool.start(programOf(`async (host) => ${loads}`), undefined)).rejects.toMatchObject(failed);
    const program = await pool.start(programOf(`async (host) => () => ${loads}`), undefined);
    await expect(program.call(undefined)).rejects.toMatchObject(failed);
  });
});

describe('free', () => {
  it('empties the arrays that it is given, and no others', () => {
    const [gone, kept] = [Float32Array.of(1, 2), Float32Array.of(3, 4)];
    const shared = new Float32Array(new SharedArrayBuffer(8));
    free([float32(gone, [2]), float32(gone.subarray(1), [1]), float32(shared, [2])]);
    expect([gone.length, kept.length, shared.length]).toEqual([0, 2, 2]);
  });
});

describe('resolvePoolOptions', () => {
  it('pins one thread inside a session', () => {
    expect(resolvePoolOptions({ threads: 3 })).toEqual({ threads: 3, intraOpNumThreads: 1 });
  });
  it.each([0, 1.5, 257, Number.NaN])('refuses %s threads', (threads) => {
    expect(() => resolvePoolOptions({ threads })).toThrowError(
      expect.objectContaining({ code: 'FB_OPTION_INVALID' }),
    );
  });
});
