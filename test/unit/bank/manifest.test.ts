import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../../src/bank/canonical.js';
import { decodeManifest, encodeManifest, type Manifest } from '../../../src/bank/manifest.js';
import { draftOf, someCandidates } from './fixtures.js';

const { inputs, counts, parameters, gateResults } = draftOf(someCandidates(5));
const file = (path: string) => ({ path, bytes: 3, sha256: 'd'.repeat(64) });
const manifest: Manifest = {
  format: 'foilbank.bank/1',
  ...{ bank: 'bank', version: '000001', createdAt: '2024-02-29T12:00:00.000Z' },
  ...{ inputs, counts, parameters, gateResults },
  files: [file('candidates/000000.arrow'), file('index.hnsw')],
};

describe('canonical JSON', () => {
  it('does not depend on the order in which keys were set, at any depth', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const reversed = (v: unknown): unknown => {
          if (Array.isArray(v)) return v.map(reversed);
          if (typeof v !== 'object' || v === null) return v;
          return Object.fromEntries(
            Object.entries(v)
              .map(([k, inner]) => [k, reversed(inner)] as const)
              .reverse(),
          );
        };
        expect(canonicalJson(reversed(value))).toBe(canonicalJson(value));
        expect(canonicalJson(JSON.parse(canonicalJson(value)))).toBe(canonicalJson(value));
      }),
    );
  });
});

describe('a manifest', () => {
  it('comes back from its text', () => {
    expect(decodeManifest(encodeManifest(manifest), 'm')).toEqual(manifest);
  });

  it('of a newer format is refused as such, whatever else it holds', () => {
    expect(() => decodeManifest('{"format": "foilbank.bank/2", "unheard": "of"}', 'm')).toThrow(
      expect.objectContaining({
        code: 'FB_BANK_FORMAT_NEWER',
        details: { file: 'm', format: 'foilbank.bank/2', supported: 'foilbank.bank/1' },
      }),
    );
  });

  const wrong: [string, object][] = [
    ['field format', { format: 'other/1' }],
    ['field version', { version: '../1' }],
    ['field createdAt', { createdAt: 'yesterday' }],
    ['field files.0.path', { files: [file('../escape')] }],
    ['field files.0.path', { files: [file('/etc/passwd')] }],
    ['field files.0.path', { files: [file('candidates/.hidden')] }],
    ['paths must ascend', { files: [file('b'), file('a')] }],
    ['paths must ascend', { files: [file('a'), file('a')] }],
    ['field counts.generated', { counts: { generated: 1, accepted: 5, rejected: {} } }],
    ['field extra', { extra: 1 }],
  ];
  it.each(wrong)('is refused with the %s named: %j', (reason, change) => {
    expect(() => decodeManifest(JSON.stringify({ ...manifest, ...change }), 'm')).toThrow(
      expect.objectContaining({ code: 'FB_BANK_CORRUPT' }),
    );
    if (!reason.includes('extra'))
      expect(() => decodeManifest(JSON.stringify({ ...manifest, ...change }), 'm')).toThrow(reason);
  });

  it('is refused in a code whatever the text is', () => {
    for (const text of ['', 'null', '[]', '3', '{', '"x"', '{"format":null}'])
      expect(() => decodeManifest(text, 'm')).toThrow(expect.objectContaining({ code: 'FB_BANK_CORRUPT' }));
  });
});
