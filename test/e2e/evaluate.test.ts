import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatNpy } from '../../src/vectors/index.js';
import { foilbank, jsonLines } from '../support/cli.js';
import { crowd } from '../support/crowd.js';
import { temporaryFolder } from '../support/networks.js';

/** 480 photos of 160 people, as `foilbank embed` would have written them. */
let folder: string;
let file: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  const { embeddings, labels } = crowd({ people: 160, photos: 3, dimension: 32, seed: 8 });
  file = join(folder, 'faces.npy');
  await writeFile(file, formatNpy({ data: embeddings.data, shape: [480, 32] }));
  await writeFile(`${file}.txt`, labels.map((label, i) => `${label}_${i % 3}.jpg\n`).join(''));
});
afterAll(() => rm(folder, { recursive: true }));

const evaluate = (...args: string[]) =>
  foilbank(['evaluate', ...args], { env: { FOILBANK_STORE: join(folder, 'banks') } });

describe('foilbank evaluate', () => {
  it('scores ready embeddings in every way and writes a report that needs nothing but itself', async () => {
    const pairs = Array.from({ length: 40 }, (_, i) => [
      `person-${i}_0.jpg,person-${i}_1.jpg,1`,
      `person-${i}_0.jpg,person-${i + 1}_1.jpg,0`,
    ]).flat();
    await writeFile(join(folder, 'pairs.csv'), ['a,b,same', ...pairs].join('\n'));
    const groups = Array.from({ length: 160 }, (_, i) => `person-${i},${i % 2 ? 'odd' : 'even'}`);
    await writeFile(join(folder, 'groups.csv'), groups.join('\n'));
    const out = join(folder, 'report');
    const { code, stdout, stderr } = await evaluate(
      ...['--embeddings', file, '--k', '8,16', '--splits', '2', '--resamples', '50', '--json', '--out', out],
      ...['--pairs', join(folder, 'pairs.csv'), '--groups', join(folder, 'groups.csv')],
    );
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const lines = jsonLines(stdout);
    expect(lines[0]).toMatchObject({ event: 'progress', step: 'scoring pairs', total: 480 });
    const result = lines.at(-1) as Record<string, unknown>;
    expect(result).toMatchObject({
      event: 'evaluated',
      photos: 480,
      identities: 160,
      pairs: { genuine: 480, impostor: 114_480 },
    });
    const results = result.results as {
      operator: string;
      k: number | null;
      points: { tar: number | null }[];
    }[];
    expect(results.map(({ operator, k }) => `${operator} ${k}`)).toEqual([
      ...['none/1 null', 'shift/1 8', 'standardise/1 8', 'shift/1 16', 'standardise/1 16'],
    ]);
    for (const each of results) {
      expect(each).toMatchObject({
        points: [
          { far: 0.01, accepted: 1144 },
          { accepted: 114 },
          { accepted: 11 },
          { accepted: 1 },
          { tar: null },
        ],
        folds: { accuracy: expect.any(Number) },
        groups: { groups: [{ group: 'even' }, { group: 'odd' }], worstByBest: expect.any(Number) },
      });
      expect(each.points[0]?.tar).toBeGreaterThan(0.05);
    }
    expect(result.splits).toHaveLength(5);

    expect((await readdir(out)).sort()).toEqual([
      ...[
        'det.png',
        'r-by-group.png',
        'report.html',
        'report.json',
        'roc.png',
        'scores-aligned.png',
        'scores-raw.png',
      ],
    ]);
    const html = await readFile(join(out, 'report.html'), 'utf8');
    expect(html).not.toMatch(/(?:src|href)="(?!data:)|url\((?!#)/);
    expect(html.match(/<svg /g)).toHaveLength(5);
    expect(html).toContain('standardise, cohort K 16');
    const { width, height } = await sharp(join(out, 'roc.png')).metadata();
    expect([width, height].every((side) => (side ?? 0) > 600)).toBe(true);
    const { event: _, ...document } = result;
    expect(JSON.parse(await readFile(join(out, 'report.json'), 'utf8'))).toEqual(document);
  });

  it.each([
    ['neither photos nor embeddings', () => [], 2, 'FB_OPTION_INVALID'],
    ['a folder without photos', () => [join(folder, 'empty')], 1, 'FB_PHOTOS_NONE'],
    [
      'fewer labels than embeddings',
      () => ['--embeddings', file, '--labels', join(folder, 'few.txt')],
      1,
      'FB_LABELS_INVALID',
    ],
    [
      'one identity only',
      () => ['--embeddings', file, '--labels', join(folder, 'one.txt')],
      1,
      'FB_IDENTITIES_TOO_FEW',
    ],
    [
      'a rate that no impostor pair can show',
      () => ['--embeddings', file, '--far', '1e-7'],
      1,
      'FB_FAR_TOO_SMALL',
    ],
    [
      'pairs that name a missing photo',
      () => ['--embeddings', file, '--pairs', join(folder, 'missing.csv')],
      1,
      'FB_PAIRS_INVALID',
    ],
    [
      'pairs that contradict',
      () => ['--embeddings', file, '--pairs', join(folder, 'twice.csv')],
      1,
      'FB_PAIRS_INVALID',
    ],
    [
      'groups that contradict',
      () => ['--embeddings', file, '--groups', join(folder, 'both.csv')],
      1,
      'FB_LABELS_CONTRADICT',
    ],
    ['a bank that is not there', () => ['--embeddings', file, '--bank', 'none'], 1, 'FB_BANK_NOT_FOUND'],
  ])('refuses %s', async (_, args, exit, code) => {
    const { mkdir } = await import('node:fs/promises');
    await mkdir(join(folder, 'empty'), { recursive: true });
    await writeFile(join(folder, 'few.txt'), 'a\nb\n');
    await writeFile(join(folder, 'one.txt'), 'a\n'.repeat(480));
    await writeFile(join(folder, 'missing.csv'), 'a,b,same\nperson-1_0.jpg,nobody.jpg,0\n');
    await writeFile(
      join(folder, 'twice.csv'),
      'a,b,same\nperson-1_0.jpg,person-1_1.jpg,1\nperson-1_1.jpg,person-1_0.jpg,0\n',
    );
    await writeFile(join(folder, 'both.csv'), 'person-1,a\nperson-1,b\n');
    const outcome = await evaluate(...args());
    expect(outcome.stderr).toContain(code);
    expect(outcome.code).toBe(exit);
  });
});
