import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { filtersOf } from '../../../../src/onnx/convert/layers.js';
import { readWeights } from '../../../../src/onnx/convert/weights.js';

const file = 'some_model.bin';
const manifest = (weights: unknown) => new TextEncoder().encode(JSON.stringify([{ weights }]));
const bytesOf = (values: Float32Array) => new Uint8Array(values.buffer);

describe('readWeights', () => {
  it('dequantises uint8 as q · scale + min, with float weights between, at any alignment', () => {
    const weight = fc.record({
      quantized: fc.boolean(),
      length: fc.integer({ min: 1, max: 7 }),
      scale: fc.double({ min: 1e-9, max: 10, noNaN: true }),
      min: fc.double({ min: -100, max: 100, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(weight, { minLength: 1, maxLength: 6 }), fc.nat(), (weights, seed) => {
        const expected: number[][] = [];
        const parts = weights.map(({ quantized, length, scale, min }, w) => {
          const q = Uint8Array.from({ length }, (_, i) => (seed + 31 * w + 7 * i) % 256);
          const floats = Float32Array.from(q, (v) => v / 3);
          expected.push(Array.from(q, (v, i) => (quantized ? Math.fround(v * scale + min) : floats[i]!)));
          return quantized ? q : bytesOf(floats);
        });
        const entries = weights.map(({ quantized, length, scale, min }, w) => ({
          name: `w${w}`,
          shape: [length],
          dtype: 'float32',
          ...(quantized ? { quantization: { dtype: 'uint8', scale, min } } : {}),
        }));
        const map = readWeights({ file, manifest: manifest(entries), binary: Buffer.concat(parts) });
        for (const [w, values] of expected.entries()) expect([...map.get(`w${w}`, 1).data]).toEqual(values);
      }),
    );
  });

  const entry = { name: 'w', shape: [2, 2], dtype: 'float32' };
  const four = bytesOf(Float32Array.of(1, 2, 3, 4));

  it.each([
    ['a file that ends too early', [entry], four.subarray(0, 15), /ends inside w/],
    ['bytes left over', [entry], Buffer.concat([four, four]), /16 bytes follow/],
    ['an unknown type', [{ ...entry, dtype: 'complex64' }], four, /w has an unknown type/],
    ['a manifest that is none', 'nothing', four, /unknown type|no list of weights/],
  ])('refuses %s', (_, entries, binary, reason) => {
    expect(() => readWeights({ file, manifest: manifest(entries), binary })).toThrow(reason);
  });

  it('names the weight that a converter misses, or that has another rank', () => {
    const map = readWeights({ file, manifest: manifest([entry]), binary: four });
    expect(() => map.get('other', 2)).toThrow(/some_model\.bin.*named other/);
    expect(() => map.get('w', 4)).toThrow(/rank 4 is named w/);
  });
});

describe('filtersOf', () => {
  const data = Float32Array.from({ length: 2 * 3 * 4 * 5 }, (_, i) => i);
  it('turns HWIO into OIHW and scales output channels', () => {
    const scale = [1, 10, 100, 1000, 10000];
    const { dims, data: oihw } = filtersOf({ dims: [2, 3, 4, 5], data }, scale);
    expect(dims).toEqual([5, 4, 2, 3]);
    for (const [o, i, y, x] of [
      [0, 0, 0, 0],
      [4, 3, 1, 2],
      [2, 1, 0, 2],
    ] as const)
      expect(oihw[((o * 4 + i) * 2 + y) * 3 + x]).toBe(data[((y * 3 + x) * 4 + i) * 5 + o]! * scale[o]!);
  });

  it('turns a depthwise [h, w, C, 1] into [C, 1, h, w]', () => {
    const { dims, data: chw } = filtersOf({ dims: [2, 3, 20, 1], data }, undefined, true);
    expect(dims).toEqual([20, 1, 2, 3]);
    expect(chw[(7 * 2 + 1) * 3 + 2]).toBe(data[(1 * 3 + 2) * 20 + 7]);
  });
});
