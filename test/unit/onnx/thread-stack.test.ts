import { describe, expect, it } from 'vitest';
import { stackSizeFor } from '../../../src/onnx/thread-stack.js';

describe('the stack of a thread that opens sessions', () => {
  it('is the usual one and a little for a short command line', () => {
    expect(stackSizeFor(['node', 'main.js', 'embed', 'a.jpg'])).toBe(5);
  });

  it('grows with the bytes of a long one', () => {
    expect(stackSizeFor(Array<string>(1000).fill('é'.repeat(50)))).toBe(
      4 + Math.ceil((101_000 * 512) / 2 ** 20),
    );
  });
});
