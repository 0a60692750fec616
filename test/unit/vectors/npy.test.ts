import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { FoilbankError } from '../../../src/errors.js';
import { formatNpy, type NpyArray, parseNpy } from '../../../src/vectors/index.js';

const data = (length: number) =>
  fc.oneof(
    fc.float32Array({ minLength: length, maxLength: length }),
    fc.float64Array({ minLength: length, maxLength: length }),
  );
const array: fc.Arbitrary<NpyArray> = fc.oneof(
  fc.nat(20).chain((n) => data(n).map((d) => ({ shape: [n] as const, data: d }))),
  fc
    .tuple(fc.nat(6), fc.nat(6))
    .chain(([m, n]) => data(m * n).map((d) => ({ shape: [m, n] as const, data: d }))),
);

describe('.npy', () => {
  it('reads back what it wrote, wherever the bytes lie', () => {
    fc.assert(
      fc.property(array, fc.nat(7), (written, offset) => {
        const bytes = formatNpy(written);
        const moved = new Uint8Array(bytes.length + offset);
        moved.set(bytes, offset);
        expect(parseNpy(moved.subarray(offset))).toEqual(written);
      }),
    );
  });

  it('answers arbitrary damage with a coded error or an array, never with anything else', () => {
    const whole = formatNpy({ shape: [2, 3], data: new Float32Array(6) });
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length), (at, byte, length) => {
        const bytes = whole.slice(0, length);
        if (at < length) bytes[at] = byte;
        try {
          parseNpy(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(FoilbankError);
          expect((error as FoilbankError).code).toBe('FB_NPY_INVALID');
        }
      }),
      { numRuns: 2000 },
    );
  });

  const withHeader = (header: string, dataBytes = 0, version = 1) => {
    const bytes = new Uint8Array((version === 1 ? 10 : 12) + header.length + dataBytes);
    bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0, header.length]);
    bytes.set(new TextEncoder().encode(header), version === 1 ? 10 : 12);
    return bytes;
  };

  it.each([
    ['nothing', new Uint8Array(0), 'does not begin'],
    ['text', new TextEncoder().encode('hello, world, this is text'), 'does not begin'],
    ['a magic alone', Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59), 'ends inside'],
    ['a version of the future', withHeader('', 8, 9), 'version 9'],
    [
      'integers',
      withHeader("{'descr': '<i4', 'fortran_order': False, 'shape': (1,), }", 4),
      'element type <i4',
    ],
    [
      'big-endian floats',
      withHeader("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", 4),
      'type >f4',
    ],
    ['Fortran order', withHeader("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1), }", 4), 'C order'],
    ['a scalar', withHeader("{'descr': '<f4', 'fortran_order': False, 'shape': (), }", 4), '0 dimensions'],
    [
      'three dimensions',
      withHeader("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1), }", 4),
      '3 dimensions',
    ],
    ['missing data', withHeader("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 4), '4 bytes'],
    [
      'a shape beyond memory',
      withHeader("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999), }", 4),
      'the header says',
    ],
  ])('refuses %s', (_, bytes, reason) => {
    expect(() => parseNpy(bytes, 'q.npy')).toThrow(reason);
  });

  it('reads the header of format 2', () => {
    const header = "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }";
    expect(parseNpy(withHeader(header, 16, 2))).toEqual({ shape: [2], data: new Float64Array(2) });
  });
});

const python = '/usr/bin/python3';
const hasNumpy = spawnSync(python, ['-c', 'import numpy']).status === 0;

describe.skipIf(!hasNumpy)(
  `.npy beside NumPy${hasNumpy ? '' : ' (skipped: /usr/bin/python3 has no numpy)'}`,
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'foilbank-npy-'));
    afterAll(() => rmSync(folder, { recursive: true }));
    const run = (script: string) => {
      const result = spawnSync(python, ['-c', script], { cwd: folder, encoding: 'utf8' });
      if (result.status !== 0) throw new Error(result.stderr);
      return result.stdout.trim();
    };

    it('reads what numpy.save wrote', () => {
      run(`import numpy as np
np.save('a.npy', np.arange(6, dtype='<f4').reshape(2, 3) / 4)
np.save('b.npy', np.array([1e-300, -2.5]))`);
      expect(parseNpy(readFileSync(join(folder, 'a.npy')))).toEqual({
        shape: [2, 3],
        data: Float32Array.of(0, 0.25, 0.5, 0.75, 1, 1.25),
      });
      expect(parseNpy(readFileSync(join(folder, 'b.npy')))).toEqual({
        shape: [2],
        data: Float64Array.of(1e-300, -2.5),
      });
    });

    it('writes what numpy.load reads', () => {
      writeFileSync(join(folder, 'c.npy'), formatNpy({ shape: [1, 3], data: Float32Array.of(0.5, -1, 2) }));
      expect(run("import numpy as np; a = np.load('c.npy'); print(a.dtype, a.shape, a.tolist())")).toBe(
        'float32 (1, 3) [[0.5, -1.0, 2.0]]',
      );
    });
  },
);
