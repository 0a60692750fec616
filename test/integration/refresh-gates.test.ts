import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Sabotage, sabotages } from '../../bench/support/sabotage.js';
import { FileStore, showBank } from '../../src/bank/index.js';
import { InferencePool } from '../../src/onnx/index.js';
import {
  type BuildOptions,
  buildBank,
  CandidateMaker,
  type GateResult,
  gatesAgainstService,
  type Networks,
} from '../../src/pipeline/index.js';
import { temporaryFolder, tinyNetworks } from '../support/networks.js';

const pool = new InferencePool({ threads: 2 });
const BANK = 'blobs';
let folder: string;
let store: FileStore;
let networks: Networks;
let maker: CandidateMaker;

// The brought-along generator makes blobs, so no detector score is asked for.
const options: Partial<BuildOptions> = { size: 150, chunkSize: 64, minimumScore: 0, minimumYield: 0.3 };
let epochs = 0;

interface Refresh {
  readonly maker?: CandidateMaker;
  readonly networks?: Networks;
  readonly options?: Partial<BuildOptions>;
  readonly accept?: boolean;
  readonly signal?: AbortSignal;
}

/** A refresh with new seeds; what its gates said, in the order they were measured. */
async function refresh(change: Refresh = {}) {
  const epoch = ++epochs;
  const { accept, signal } = change;
  let [gates, warnings]: [readonly GateResult[], readonly string[]] = [[], []];
  const result: { readonly version?: string; readonly error?: unknown } = await buildBank({
    ...{ pool, store, bank: BANK, networks, maker, epoch, signal, ...change },
    options: { ...options, firstSeed: epoch * 2 ** 32, ...change.options },
    gates: async (fresh) => {
      const against = await gatesAgainstService({ pool, store, bank: BANK, fresh, accept, signal });
      ({ gates, warnings } = against);
      return gates;
    },
  }).then(
    ({ manifest }) => ({ version: manifest.version }),
    (error: unknown) => ({ error }),
  );
  return { gates, warnings, ...result };
}
const namesOf = (gates: readonly GateResult[]) => gates.map(({ gate }) => gate);
const sabotaged = (name: string) =>
  (sabotages({ pool, networks, maker }).find((s) => s.name === name) as Sabotage).make();
const ALL = [
  ...['yieldOfService', 'nearDuplicates', 'shiftOfCentre'],
  ...['changeOfRadius', 'shiftOfR', 'changeOfSigma'],
];
const recorded = (names: readonly string[]) => names.map((name) => `recorded.${name}`);
const inService = async () => (await showBank(store, BANK)).version;

beforeAll(async () => {
  folder = await temporaryFolder();
  store = new FileStore(join(folder, 'banks'));
  networks = await tinyNetworks(join(folder, 'models'));
  maker = await CandidateMaker.open(pool, networks);
});
afterAll(async () => {
  await pool.close();
  await rm(folder, { recursive: true });
});

describe('the gates of a refresh', () => {
  it('are none for the first version of a bank', async () => {
    expect(await refresh()).toEqual({ gates: [], warnings: [], version: '000001' });
  });

  it('let new seeds of the same recipe pass, and the manifest keeps what they measured', async () => {
    const { gates, warnings, version } = await refresh();
    expect(version).toBe('000002');
    expect(namesOf(gates)).toEqual(ALL);
    expect(gates.every((g) => g.passed)).toBe(true);
    expect(warnings).toEqual([]);
    const { gateResults } = await showBank(store, BANK);
    for (const gate of gates) expect(gateResults).toContainEqual(gate);
  });

  it.each([
    ['colours of the embedder swapped', ['shiftOfR']],
    ['psi × 0.01', ['shiftOfCentre', 'changeOfRadius', 'shiftOfR']],
    ['chips moved by 10 px', ['shiftOfCentre', 'changeOfRadius', 'shiftOfR']],
    ['every face comes twice', ['nearDuplicates']],
    ['every second face is not found', ['yieldOfService']],
  ])('catch this, though the recipe says nothing of it: %s', async (name, caught) => {
    const before = await inService();
    const { gates, error } = await refresh({ maker: await sabotaged(name) });
    const failed = gates.filter((g) => !g.passed);
    expect(namesOf(failed)).toEqual(expect.arrayContaining(caught));
    const { gate } = failed[0] as GateResult;
    expect(error).toMatchObject({ code: 'FB_GATE_FAILED', details: { bank: BANK, gate } });
    expect(await inService()).toBe(before);
  });

  it('need not look at a generator that makes few faces again and again: it never fills the bank', async () => {
    const { gates, error } = await refresh({ maker: await sabotaged('only 64 faces') });
    expect(error).toMatchObject({ code: 'FB_YIELD_TOO_LOW' });
    expect(gates).toEqual([]);
  });

  it('catch an embedder whose card was changed under its name, and say what was changed', async () => {
    const input = { ...networks.embedder.card.input, colour: 'rgb' };
    const changed = await tinyNetworks(join(folder, 'changed'), { embedder: { input } });
    const { error, warnings } = await refresh({
      networks: changed,
      maker: await CandidateMaker.open(pool, changed),
    });
    expect(error).toMatchObject({ code: 'FB_GATE_FAILED' });
    expect(warnings).toEqual([
      expect.stringMatching(/under the same name: embedder; held to its figures all the same$/),
    ]);
  });

  it('record what was asked for instead of failing: another psi, another size', async () => {
    const { gates, warnings, version } = await refresh({ options: { psi: 0.7, size: 140 } });
    expect(version).toBe(await inService());
    expect(namesOf(gates)).toEqual(recorded(ALL));
    expect(warnings).toEqual([expect.stringMatching(/: psi, size; figures .* recorded/)]);
  });

  it('record everything where a shift is accepted, and then hold to what was accepted', async () => {
    const moved = await sabotaged('chips moved by 10 px');
    const { gates, version } = await refresh({ maker: moved, accept: true });
    expect(version).toBe(await inService());
    expect(namesOf(gates)).toEqual(recorded(ALL));
    const shift = gates.find((g) => g.gate === 'recorded.shiftOfCentre') as GateResult;
    expect(shift.value).toBeGreaterThan(shift.limit);
    expect(shift.passed).toBe(true);
    expect((await refresh()).error).toMatchObject({ code: 'FB_GATE_FAILED' });
    expect((await refresh({ maker: moved })).error).toBeUndefined();
  });

  it('stop when the refresh is cancelled', async () => {
    const signal = AbortSignal.abort();
    expect((await refresh({ signal })).error).toMatchObject({ code: 'FB_CANCELLED' });
  });

  it('do not keep a damaged version in service: it cannot be compared with, and that is said', async () => {
    const candidates = join(folder, 'banks', BANK, 'versions', await inService(), 'candidates');
    const [file] = await readdir(candidates);
    await writeFile(join(candidates, file as string), 'damaged');
    const moved = await sabotaged('chips moved by 10 px');
    const { gates, warnings, version } = await refresh({ maker: moved });
    expect(gates).toEqual([]);
    expect(warnings).toEqual([
      expect.stringMatching(/^the version in service cannot be compared with: .*damaged/),
    ]);
    expect(version).toBe(await inService());
    expect((await refresh({ maker: moved })).gates).toHaveLength(ALL.length);
  });
});
