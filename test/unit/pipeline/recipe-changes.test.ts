import { describe, expect, it } from 'vitest';
import type { Manifest } from '../../../src/bank/index.js';
import { changesSince, type Fresh } from '../../../src/pipeline/recipe-changes.js';

const network = (name: string, card = 'a') => ({
  ...{ name, sha256: card.repeat(64), cardSha256: card.repeat(64), licence: 'CC0-1.0' },
});
const inputs: Manifest['inputs'] = {
  generator: network('generator'),
  embedder: { ...network('embedder'), dimension: 128, samePersonCeiling: 0.9 },
  detector: network('detector'),
  psi: 1,
  seeds: { epoch: 1, first: 0, count: 1000 },
  chunkSize: 64,
  gates: { minimumScore: 0.5, duplicateCeiling: 0.95 },
};
const service: Manifest = {
  ...{ format: 'foilbank.bank/1', bank: 'default', version: '000007', createdAt: '2026-01-01T00:00:00.000Z' },
  inputs,
  counts: { generated: 1000, accepted: 900, rejected: { undetected: 100 } },
  parameters: {
    ...{ operator: 'standardise/1', neighbours: 18, lambda: 1, engine: 'exact', index: {} },
    calibration: { kind: 'none' },
  },
  ...{ gateResults: [], files: [{ path: 'candidates', bytes: 1, sha256: 'a'.repeat(64) }] },
};
const options: Fresh['options'] = { size: 900, neighbours: 18, operator: 'standardise', lambda: 1 };
const all = { sameDetection: true, sameEmbedder: true, sameFaces: true, sameSupport: true };
const since = (change: Partial<Manifest['inputs']>, other: Partial<Fresh['options']> = {}) =>
  changesSince(service, { inputs: { ...inputs, ...change }, options: { ...options, ...other } });

describe('changesSince', () => {
  it('sees no change in new seeds, another chunk size, or another operator', () => {
    const seeds = { epoch: 2, first: 2 ** 32, count: 1500 };
    expect(since({ seeds, chunkSize: 128 }, { operator: 'shift', lambda: 2 })).toEqual({
      ...all,
      sentences: [],
    });
  });

  it.each([
    ['generator', { generator: network('other') }],
    ['psi', { psi: 0.9 }],
    ['detector', { detector: network('other') }],
    ['detector', { detector: undefined }],
    ['minimum score', { gates: { ...inputs.gates, minimumScore: 0.6 } }],
  ])('of another %s that was asked for expects other faces', (name, change) => {
    expect(since(change)).toEqual({
      ...{ sameDetection: false, sameEmbedder: true, sameFaces: false, sameSupport: false },
      sentences: [
        `changed since version 000007: ${name}; figures that hang on it are recorded, not held against it`,
      ],
    });
  });

  it('of another embedder compares no embedding with the old ones', () => {
    for (const embedder of [
      { ...inputs.embedder, name: 'other' },
      { ...inputs.embedder, dimension: 512, cardSha256: 'b'.repeat(64) },
    ]) {
      const changes = since({ embedder });
      expect(changes).toMatchObject({ sameDetection: true, sameEmbedder: false, sameFaces: false });
      expect(changes.sentences[0]).toMatch(/not comparable$/);
    }
  });

  it('of another duplicate ceiling expects the yield of the old one, not its faces', () => {
    expect(since({ gates: { ...inputs.gates, duplicateCeiling: 0.97 } })).toMatchObject({
      ...{ sameDetection: true, sameEmbedder: true, sameFaces: false, sameSupport: false },
    });
  });

  it.each([{ size: 1800 }, { neighbours: 36 }])('with %o expects the same faces, other r and σ', (other) => {
    expect(since({}, other)).toMatchObject({ ...all, sameSupport: false });
  });

  it('holds a network that changed under its name to the old figures, and says so', () => {
    const embedder = { ...inputs.embedder, cardSha256: 'b'.repeat(64) };
    expect(since({ generator: network('generator', 'b'), embedder })).toEqual({
      ...all,
      sentences: [
        'changed since version 000007 under the same name: generator, embedder; held to its figures all the same',
      ],
    });
  });
});
