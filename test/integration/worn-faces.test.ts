import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mixedQuality } from '../../src/evaluation/index.js';
import { InferencePool } from '../../src/onnx/index.js';
import { CandidateMaker, type Networks } from '../../src/pipeline/index.js';
import { temporaryFolder, tinyNetworks } from '../support/networks.js';
import { tinyGeneratorCard } from '../support/tiny-models.js';

const pool = new InferencePool({ threads: 2 });
const seeds = Array.from({ length: 16 }, (_, i) => 3 + 7 * i);
let folder: string;
let plain: Networks;
let mixed: Networks;
const embeddings = async (networks: Networks, of: readonly number[]) =>
  (await (await CandidateMaker.open(pool, networks)).make(of, 0.8, 0)).embeddings.map((row) => [...row!]);

beforeAll(async () => {
  folder = await temporaryFolder();
  plain = await tinyNetworks(join(folder, 'plain'));
  mixed = await tinyNetworks(join(folder, 'mixed'), { generator: { quality: 'mixed-quality/2' } });
});
afterAll(async () => {
  await pool.close();
  await rm(folder, { recursive: true });
});

describe('a generator card with a quality', () => {
  it('gives about half of the faces the faults of bad photos, and leaves the others to the last bit', async () => {
    const [before, after] = [await embeddings(plain, seeds), await embeddings(mixed, seeds)];
    const kept = before.filter((row, i) => row.every((x, j) => x === after[i]![j])).length;
    expect(kept).toBeGreaterThan(3);
    expect(kept).toBeLessThan(13);
  });

  it('hangs on the seed alone, whatever stands beside it', async () => {
    const together = await embeddings(mixed, seeds);
    const alone = await embeddings(mixed, [...seeds].reverse().slice(0, 4));
    for (const [i, row] of alone.entries())
      row.forEach((x, j) => {
        expect(x).toBeCloseTo(together[seeds.length - 1 - i]![j]!, 4);
      });
  });

  it('scores faces as they were generated', async () => {
    const scores = async (networks: Networks) => [
      ...Array.from((await (await CandidateMaker.open(pool, networks)).make(seeds, 0.8, 0)).scores),
    ];
    expect(await scores(mixed)).toEqual(await scores(plain));
  });

  it('is refused where the face has no fixed place', async () => {
    const align = { mode: 'detect' };
    const found = await tinyNetworks(join(folder, 'found'), {
      generator: { ...tinyGeneratorCard, align, quality: 'mixed-quality/2' },
    });
    await expect(CandidateMaker.open(pool, found)).rejects.toMatchObject({
      code: 'FB_CARD_INVALID',
      details: { field: 'quality' },
    });
  });

  it('names the faults that photos get, so that other faults are another name', () => {
    expect(mixedQuality(0).name).toBe('mixed-quality/2/0');
  });
});
