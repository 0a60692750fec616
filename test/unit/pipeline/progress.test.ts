import { describe, expect, it } from 'vitest';
import { RateMeter } from '../../../src/pipeline/progress.js';

describe('RateMeter', () => {
  it('knows no rate and no end before the first thing is done', () => {
    expect(new RateMeter(10, 0, () => 0).update(0)).toEqual({
      done: 0,
      total: 10,
      rate: 0,
      eta: Number.POSITIVE_INFINITY,
    });
  });

  it('gives rate and time left of steady work', () => {
    let now = 0;
    const meter = new RateMeter(100, 0, () => now);
    now = 2;
    expect(meter.update(20)).toEqual({ done: 20, total: 100, rate: 10, eta: 8 });
  });

  it('does not count what an earlier run did as speed', () => {
    let now = 0;
    const meter = new RateMeter(100, 50, () => now);
    now = 5;
    expect(meter.update(60)).toMatchObject({ rate: 2, eta: 20 });
  });

  it('follows a change of pace within some ten seconds', () => {
    let now = 0;
    const meter = new RateMeter(10_000, 0, () => now);
    for (now = 1; now < 10; now++) meter.update(100 * now);
    now = 10;
    let last = meter.update(1000);
    for (let i = 1; i <= 30; i++) {
      now = 10 + i;
      last = meter.update(1000 + 10 * i);
    }
    expect(last.rate).toBeGreaterThan(10);
    expect(last.rate).toBeLessThan(20);
  });
});
