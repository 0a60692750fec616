import { describe, expect, it } from 'vitest';
import { bunchedVectors } from '../../../bench/support/bunched-vectors.js';
import {
  HnswEngine,
  resolveHnswParameters,
  resolveHnswSearchOptions,
} from '../../../src/neighbours/index.js';

describe('building an index', () => {
  const candidates = bunchedVectors({ rows: 5000, dimension: 64, seed: 1 });

  it('reports its progress while it goes on', async () => {
    const seen: number[] = [];
    const engine = await HnswEngine.build({
      candidates,
      connections: 8,
      efConstruction: 40,
      onProgress: (done, total) => {
        expect(total).toBe(5000);
        seen.push(done);
      },
    });
    expect(seen).toEqual([1000, 2000, 3000, 4000, 5000]);
    await engine.close();
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    const built = HnswEngine.build({
      candidates,
      efConstruction: 2000,
      connections: 48,
      signal: stop.signal,
      onProgress: () => stop.abort(),
    });
    await expect(built).rejects.toMatchObject({ code: 'FB_CANCELLED' });
    await expect(HnswEngine.build({ candidates, signal: stop.signal })).rejects.toMatchObject({
      code: 'FB_CANCELLED',
    });
  });

  it('may be stopped at any moment: the library ends the process when its thread is torn out of it', async () => {
    for (let round = 0; round < 60; round++) {
      const signal = AbortSignal.timeout(1 + round);
      await expect(
        HnswEngine.build({ candidates, efConstruction: 2000, connections: 48, signal }),
      ).rejects.toMatchObject({ code: 'FB_CANCELLED' });
    }
  });
});

describe('options', () => {
  it('have defaults', () => {
    expect(resolveHnswParameters()).toEqual({ connections: 32, efConstruction: 200, seed: 100 });
    expect(resolveHnswSearchOptions()).toEqual({ ef: 128, efPerNeighbour: 1.25 });
  });

  it.each([{ connections: 1 }, { connections: 257 }, { efConstruction: 0 }, { seed: -1 }, { seed: 0.5 }])(
    'refuse %o',
    (options) => expect(() => resolveHnswParameters(options)).toThrow('is not'),
  );

  it.each([{ ef: 0 }, { ef: 1.5 }, { efPerNeighbour: 0.9 }, { efPerNeighbour: NaN }])(
    'refuse %o',
    (options) => expect(() => resolveHnswSearchOptions(options)).toThrow('is not'),
  );
});
