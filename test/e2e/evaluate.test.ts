import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FileStore, keptEvaluations, publishBank } from '../../src/bank/index.js';
import { type EvaluationDocument, parseEvaluation } from '../../src/evaluation/index.js';
import { formatNpy } from '../../src/vectors/index.js';
import { foilbank, jsonLines } from '../support/cli.js';
import { crowd } from '../support/crowd.js';
import { temporaryFolder } from '../support/networks.js';
import { crowd as faces } from '../support/service.js';
import { draftOf } from '../unit/bank/fixtures.js';

const SAMPLE = draftOf(faces(1, 1));

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
      ...['none/1 null', 'shift/1 8', 'standardise/1 8', 'fuse/1 8'],
      ...['shift/1 16', 'standardise/1 16', 'fuse/1 16'],
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
    expect(result.splits).toHaveLength(7);
    for (const { accuracies } of result.splits as { accuracies: number[] }[]) {
      expect(accuracies).toHaveLength(2);
      for (const accuracy of accuracies) expect(accuracy).toBeGreaterThan(0.5);
    }

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

  it('shows what a bank recommends, and keeps the figures beside the version without a name of a photo', async () => {
    const store = new FileStore(join(folder, 'banks'));
    const parameters = { ...SAMPLE.parameters, operator: 'shift/1', lambda: 0.25, neighbours: 12 };
    for (const salt of [1, 2])
      await publishBank(store, 'small', draftOf(faces(300, salt, 32), { parameters }));
    // One photo bears two names.
    const twice = crowd({ people: 160, photos: 3, dimension: 32, seed: 8 }).embeddings.data;
    twice.copyWithin(0, 32 * 30, 32 * 31);
    await writeFile(join(folder, 'twice.npy'), formatNpy({ data: twice, shape: [480, 32] }));
    const out = join(folder, 'attached');
    const { code, stderr } = await evaluate(
      ...['--embeddings', join(folder, 'twice.npy'), '--labels', `${file}.txt`, '--resamples', '40'],
      ...['--bank', 'small', '--bank-version', '000001', '--k', '8', '--out', out, '--attach'],
    );
    expect(stderr).toContain('beside version 000001 of bank small');
    expect(code).toBe(0);
    const report = JSON.parse(await readFile(join(out, 'report.json'), 'utf8')) as EvaluationDocument;
    expect(report).toMatchObject({ bank: 'small', version: '000001' });
    const ways = report.results.map(({ operator, lambda, estimator, k }) =>
      [operator, lambda, estimator?.split('/')[0], k].join(' '),
    );
    expect(ways).toEqual([
      ...['none/1   ', 'shift/1 1 virtual 8', 'standardise/1  virtual 8', 'fuse/1  virtual 8'],
      ...['shift/1 1 virtual 12', 'standardise/1  virtual 12', 'fuse/1  virtual 12'],
      ...['shift/1 1 cohort 8', 'standardise/1  cohort 8', 'fuse/1  cohort 8'],
      'shift/1 0.25 virtual 12',
    ]);
    expect(report.results.filter(({ recommended }) => recommended)).toEqual([report.results.at(-1)]);
    expect(await readFile(join(out, 'report.html'), 'utf8')).toContain(
      'The version recommends shift λ 0.25, virtual K 12.',
    );
    const [kept, ...more] = await keptEvaluations(store, 'small', '000001', 20);
    expect(more).toEqual([]);
    expect(await keptEvaluations(store, 'small', '000002', 20)).toEqual([]);
    const document = parseEvaluation(kept!.document)!;
    expect(document).toEqual(parseEvaluation({ ...report, warnings: document.warnings }));
    // What is at screen and in the report names the photos; what others see does not.
    expect(stderr).toContain('person-0_0.jpg and person-10_0.jpg');
    expect(document.warnings.join()).toContain('1 photos are equal to one of somebody else');
    expect(JSON.stringify(kept!.document)).not.toContain('person-');
    for (const { points, roc } of document.results) {
      expect(roc.at(-1)).toEqual([1, 1]);
      expect(roc.map(([far]) => far)).toEqual(roc.map(([far]) => far).sort((a, b) => a - b));
      // The curve passes through the operating points.
      const at = roc.find(([far]) => Math.abs(far / 1e-2 - 1) < 1e-9)!;
      expect(at[1]).toBeCloseTo(points[0]!.tar!, 1);
    }
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
    ['figures for a bank that none is named of', () => ['--embeddings', file, '--attach'], 2, '--bank'],
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
