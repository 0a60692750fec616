import { describe, expect, it } from 'vitest';
import { freeLarge } from '../../../src/service/free-large.js';

describe('the memory of what was asked', () => {
  it('is given back where it is large', () => {
    const [body, embeddings] = [
      Buffer.concat([Buffer.alloc(65_536), Buffer.alloc(1)]),
      new Float32Array(32_768),
    ];
    const view = body.subarray(5);
    freeLarge(body);
    freeLarge(embeddings);
    expect([body, view, embeddings].map(({ byteLength }) => byteLength)).toEqual([0, 0, 0]);
  });

  it('is left where it is small, shared with others, or gone already', () => {
    const whole = new Uint8Array(200_000);
    const part = whole.subarray(0, 100_000);
    const small = new Uint8Array(65_535);
    for (const data of [part, small]) freeLarge(data);
    expect([whole, part, small].map(({ byteLength }) => byteLength)).toEqual([200_000, 100_000, 65_535]);
    freeLarge(whole);
    freeLarge(whole);
    expect(whole.byteLength).toBe(0);
  });
});
