import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { spreadOf, UnitMatrix } from '../../../src/vectors/index.js';

const DIMENSION = 5;
const component = fc.double({ min: -1e3, max: 1e3, noNaN: true });
const vector = fc
  .array(component, { minLength: DIMENSION, maxLength: DIMENSION })
  .filter((v) => Math.hypot(...v) > 1e-3);
const vectors = fc.array(vector, { minLength: 1, maxLength: 6 });
const flat = (rows: readonly (readonly number[])[]) => Float64Array.from(rows.flat());
const codeOf = (action: () => unknown): string | undefined => {
  try {
    action();
  } catch (error) {
    return (error as { code?: string }).code;
  }
  return undefined;
};

describe('UnitMatrix.normalise', () => {
  it('gives every row unit length and keeps its direction', () => {
    fc.assert(
      fc.property(vectors, (rows) => {
        const matrix = UnitMatrix.normalise(flat(rows), DIMENSION);
        expect(matrix.rows).toBe(rows.length);
        rows.forEach((row, i) => {
          const unit = matrix.row(i);
          expect(matrix.similarity(i, matrix, i)).toBeCloseTo(1, 5);
          const length = Math.hypot(...row);
          row.forEach((value, j) => {
            expect(unit[j]).toBeCloseTo(value / length, 5);
          });
        });
      }),
    );
  });

  it('does not depend on the length of the vectors', () => {
    fc.assert(
      fc.property(vector, fc.double({ min: 1e-2, max: 1e2, noNaN: true }), (row, scale) => {
        const a = UnitMatrix.normalise(row, DIMENSION);
        const b = UnitMatrix.normalise(
          row.map((v) => v * scale),
          DIMENSION,
        );
        expect(a.similarity(0, b, 0)).toBeCloseTo(1, 5);
      }),
    );
  });

  it.each([NaN, Infinity, -Infinity])('refuses %s and names the row, not the values', (bad) => {
    const values = [1, 2, 3, 4, bad, 6];
    expect(() => UnitMatrix.normalise(values, 3, 'x.npy')).toThrow('x.npy, row 1: it holds a NaN');
    expect(codeOf(() => UnitMatrix.normalise(values, 3))).toBe('FB_EMBEDDING_NOT_FINITE');
  });

  it('refuses the zero vector', () => {
    expect(codeOf(() => UnitMatrix.normalise([1, 0, 0, 0], 2))).toBe('FB_EMBEDDING_ZERO');
  });

  it('refuses a length that is not a multiple of the dimension', () => {
    expect(codeOf(() => UnitMatrix.normalise([1, 2, 3], 2))).toBe('FB_EMBEDDING_LENGTH');
    expect(codeOf(() => UnitMatrix.normalise([1], 0))).toBe('FB_EMBEDDING_LENGTH');
  });
});

describe('UnitMatrix.adopt', () => {
  it('takes unit rows without a copy', () => {
    const data = Float32Array.of(0.6, 0.8, 1, 0);
    expect(UnitMatrix.adopt(data, 2).data).toBe(data);
  });

  it('refuses a row that is not of unit length', () => {
    expect(codeOf(() => UnitMatrix.adopt(Float32Array.of(1, 0, 1, 1), 2))).toBe('FB_EMBEDDING_NOT_UNIT');
  });
});

describe('rows of a UnitMatrix', () => {
  const matrix = UnitMatrix.normalise([1, 0, 0, 1, 1, 1], 2);

  it('slices as a view, gathers as a copy', () => {
    expect(matrix.slice(1, 3).data.buffer).toBe(matrix.data.buffer);
    expect([...matrix.slice(1, 3).row(0)]).toEqual([0, 1]);
    const gathered = matrix.gather([2, 0]);
    expect(gathered.row(1)).toEqual(matrix.row(0));
    expect(gathered.data.buffer).not.toBe(matrix.data.buffer);
  });

  it('concatenates parts of one dimension only', () => {
    const whole = UnitMatrix.concat([matrix.slice(0, 1), matrix.slice(1, 3)], 2);
    expect(whole.data).toEqual(matrix.data);
    expect(codeOf(() => UnitMatrix.concat([matrix], 3))).toBe('FB_EMBEDDING_LENGTH');
  });

  it('moves into shared memory once', () => {
    const shared = matrix.shared();
    expect(shared.data.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(shared.data).toEqual(matrix.data);
    expect(shared.shared()).toBe(shared);
  });

  it('gives a similarity that is symmetric and within [-1, 1]', () => {
    fc.assert(
      fc.property(vector, vector, (a, b) => {
        const m = UnitMatrix.normalise([...a, ...b], DIMENSION);
        const s = m.similarity(0, m, 1);
        expect(s).toBe(m.similarity(1, m, 0));
        expect(Math.abs(s)).toBeLessThanOrEqual(1 + 1e-6);
      }),
    );
  });

  it('refuses a similarity of two dimensions', () => {
    const [two, three] = [UnitMatrix.normalise([1, 0], 2), UnitMatrix.normalise([1, 0, 0], 3)];
    expect(codeOf(() => two.similarity(0, three, 0))).toBe('FB_EMBEDDING_LENGTH');
  });
});

describe('spreadOf', () => {
  it('is the mean and the population standard deviation', () => {
    expect(spreadOf(Float32Array.of(2, 4, 4, 4, 5, 5, 7, 9))).toEqual({ mean: 5, deviation: 2 });
  });

  it('keeps its precision where the mean is large beside the deviation', () => {
    const { deviation } = spreadOf(Float32Array.from({ length: 1000 }, (_, i) => 0.9 + (i % 2) * 1e-4));
    expect(deviation).toBeCloseTo(5e-5, 7);
  });

  it('has no value for no values', () => {
    expect(spreadOf(new Float32Array(0))).toEqual({ mean: NaN, deviation: NaN });
  });
});
