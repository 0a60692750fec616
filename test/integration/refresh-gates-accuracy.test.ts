import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FileStore, openBank, showBank } from '../../src/bank/index.js';
import { InferencePool } from '../../src/onnx/index.js';
import {
  type BuildOptions,
  buildBank,
  CandidateMaker,
  type GateResult,
  gatesAgainstService,
  LabelledPairs,
  type Networks,
} from '../../src/pipeline/index.js';
import { temporaryFolder, tinyNetworks } from '../support/networks.js';
import { noise } from '../support/tiny-models.js';

const pool = new InferencePool({ threads: 2 });
const PEOPLE = 24;
let folder: string;
let photos: string;
let store: FileStore;
let networks: Networks;
let maker: CandidateMaker;

beforeAll(async () => {
  folder = await temporaryFolder();
  photos = join(folder, 'photos');
  await mkdir(photos);
  store = new FileStore(join(folder, 'banks'));
  networks = await tinyNetworks(join(folder, 'models'));
  maker = await CandidateMaker.open(pool, networks);
  for (let person = 0; person < PEOPLE; person++)
    for (const take of [1, 2])
      await writeFile(join(photos, nameOf(person, take)), await picture(person, take));
  await writeFile(join(photos, 'damaged.png'), 'no picture at all');
});
afterAll(async () => {
  await pool.close();
  await rm(folder, { recursive: true });
});

const nameOf = (person: number, take: number) => `${person}-${take}.png`;

/** Clouds of colour, as the brought-along generator makes them: two takes of one person are alike, not equal. */
function picture(person: number, take: number): Promise<Buffer> {
  const side = 6;
  const own = noise(3 * side * side, 1000 + person, 100);
  const other = noise(3 * side * side, 5000 + 2 * person + take, 20);
  const pixels = Uint8Array.from(own, (x, i) => 128 + x + other[i]!);
  const raw = { width: side, height: side, channels: 3 } as const;
  return sharp(pixels, { raw }).resize(96, 96, { kernel: 'cubic' }).png().toBuffer();
}

/** Every person with themself, and with the next six. */
const LINES = Array.from({ length: PEOPLE }, (_, a) => [
  `${nameOf(a, 1)},${nameOf(a, 2)},1`,
  ...[1, 2, 3, 4, 5, 6].map((step) => `${nameOf(a, 1)},${nameOf((a + step) % PEOPLE, 2)},0`),
]).flat();

let files = 0;
async function pairsOf(lines: readonly string[], more: { cache?: string; faceBox?: 'detect' } = {}) {
  const csv = join(folder, `pairs-${++files}.csv`);
  await writeFile(csv, ['a,b,same', ...lines].join('\n'));
  return new LabelledPairs(pool, { csv, photos, faceBox: 'whole', ...more });
}

let epochs = 0;
async function refresh(pairs: LabelledPairs, change: Partial<BuildOptions> = {}, accept = false) {
  const epoch = ++epochs;
  let gates: readonly GateResult[] = [];
  let warnings: readonly string[] = [];
  const result: { readonly version?: string; readonly error?: unknown } = await buildBank({
    ...{ pool, store, bank: 'blobs', networks, maker, epoch },
    options: { size: 100, chunkSize: 64, minimumScore: 0, firstSeed: epoch * 2 ** 32, ...change },
    gates: async (fresh) => {
      const accuracy = { pairs, networks };
      ({ gates, warnings } = await gatesAgainstService({
        pool,
        store,
        bank: 'blobs',
        fresh,
        accuracy,
        accept,
      }));
      return gates;
    },
  }).then(
    ({ manifest }) => ({ version: manifest.version }),
    (error: unknown) => ({ error }),
  );
  const accuracy = gates.find((g) => g.gate.endsWith('accuracy')) as GateResult;
  return { accuracy, warnings, ...result };
}

describe('labelled pairs', () => {
  it('are embedded once, whatever number of pairs and refreshes has them', async () => {
    const pairs = await pairsOf(LINES);
    const first = await pairs.embed(networks);
    expect(first.embeddings.rows).toBe(2 * PEOPLE);
    expect(first.genuine.reduce((a, b) => a + b, 0)).toBe(PEOPLE);
    expect(first.unreadable).toBe(0);
    const spent = pool.milliseconds;
    expect(await pairs.embed(networks)).toEqual(first);
    expect(pool.milliseconds).toBe(spent);
  });

  it('are embedded once for all where there is a folder to keep them in', async () => {
    const cache = join(folder, 'cache');
    const lines = LINES.slice(0, 7);
    const first = await (await pairsOf(lines, { cache })).embed(networks);
    const spent = pool.milliseconds;
    const again = await (await pairsOf(lines, { cache })).embed(networks);
    expect(again).toEqual(first);
    expect(pool.milliseconds).toBe(spent);
  });

  it('that show no face, or no picture at all, are counted and left out', async () => {
    const { unreadable, left } = await (
      await pairsOf([...LINES, `${nameOf(0, 1)},damaged.png,1`, `damaged.png,${nameOf(1, 1)},0`])
    ).embed(networks);
    expect(unreadable).toBe(2);
    expect(left.length).toBe(LINES.length);
  });

  it('are too few where one kind is left over: blobs have no face to detect', async () => {
    await expect(
      (await pairsOf(LINES.slice(0, 7), { faceBox: 'detect' })).embed(networks),
    ).rejects.toMatchObject({
      ...{ code: 'FB_PAIRS_TOO_FEW', details: { genuine: 0, impostor: 0 } },
    });
    const impostors = await pairsOf(LINES.filter((line) => line.endsWith('0')));
    await expect(impostors.embed(networks)).rejects.toMatchObject({
      ...{ code: 'FB_PAIRS_TOO_FEW', details: { genuine: 0 } },
    });
  });

  it.each([
    ['a photo that is not there', 'nobody.png'],
    ['a photo outside the folder', '../pairs-1.csv'],
    ['a folder', '.'],
  ])('refuse %s, and name the row', async (_, name) => {
    const pairs = await pairsOf([LINES[0] as string, `${name},${nameOf(0, 1)},0`]);
    await expect(pairs.embed(networks)).rejects.toMatchObject({
      code: 'FB_PAIRS_INVALID',
      details: { row: 3, reason: expect.stringContaining(JSON.stringify(name)) },
    });
  });

  it('refuse a file that is not there', async () => {
    const pairs = new LabelledPairs(pool, { csv: join(folder, 'nothing.csv'), photos });
    await expect(pairs.embed(networks)).rejects.toMatchObject({ code: 'FB_FILE_UNREADABLE' });
  });

  it('stop being read when the refresh is cancelled', async () => {
    const pairs = await pairsOf(LINES);
    await expect(pairs.embed(networks, AbortSignal.abort())).rejects.toMatchObject({ code: 'FB_CANCELLED' });
  });
});

describe('the gate of accuracy', () => {
  it('lets an equally good version pass, and says what was left out', async () => {
    const pairs = await pairsOf([...LINES, `damaged.png,${nameOf(1, 1)},0`]);
    await refresh(pairs, { operator: 'none' });
    const { accuracy, warnings, version } = await refresh(pairs, { operator: 'none' });
    expect(version).toBe('000002');
    // Alignment that does nothing changes no score.
    expect(accuracy).toMatchObject({ gate: 'accuracy', passed: true });
    expect(accuracy.value).toBeCloseTo(accuracy.limit + 0.002, 3);
    expect(accuracy.value).toBeGreaterThan(0.6);
    expect(warnings).toEqual(['labelled pairs left out because no face could be read in a photo: 1']);
  });

  it('stops one that is worse by more than noise, although what makes it worse was asked for', async () => {
    const worse = { operator: 'shift', lambda: 4, neighbours: 1 } as const;
    const { accuracy, error } = await refresh(await pairsOf(LINES), worse);
    expect(accuracy.value).toBeLessThan(accuracy.limit);
    expect(error).toMatchObject({ code: 'FB_GATE_FAILED', details: { gate: 'accuracy' } });
    expect((await showBank(store, 'blobs')).version).toBe('000002');
  });

  it('fails the refresh with the fault of the pairs, and leaves the version in service', async () => {
    const { error } = await refresh(await pairsOf(['only one name']));
    expect(error).toMatchObject({ code: 'FB_PAIRS_INVALID' });
    expect((await showBank(store, 'blobs')).version).toBe('000002');
  });

  it('judges fuse by what is typical of the faces that it is asked of', async () => {
    const fuse = { operator: 'fuse', neighbours: 16 } as const;
    const { accuracy, version } = await refresh(await pairsOf(LINES), fuse, true);
    expect(version).toBe('000003');
    expect(accuracy.value).toBeGreaterThan(0.5);
    const { manifest } = await openBank(store, 'blobs');
    expect(manifest.parameters).toMatchObject({ operator: 'fuse/1', typical: { r: expect.any(Number) } });
  });

  it('records what is accepted', async () => {
    const worse = { operator: 'shift', lambda: 4, neighbours: 1 } as const;
    const { accuracy, version } = await refresh(await pairsOf(LINES), worse, true);
    expect(version).toBe('000004');
    expect(accuracy).toMatchObject({ gate: 'recorded.accuracy', passed: true });
    expect(accuracy.value).toBeLessThan(accuracy.limit);
  });
});
