import { readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bench, publishCrowd, queries, startService } from '../support/service.js';

interface Operation {
  readonly requestBody: {
    readonly content: { readonly 'application/json': { readonly schema: { readonly $ref: string } } };
  };
  readonly responses: { readonly 200: Operation['requestBody'] };
}
const document = JSON.parse(readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8')) as {
  readonly paths: Readonly<Record<string, { readonly post: Operation }>>;
};
const ajv = new Ajv2020({ strict: false, validateFormats: false });
ajv.addSchema(document, 'api');
const schemaOf = ({ content }: Operation['requestBody']): ValidateFunction =>
  ajv.compile({ $ref: `api${content['application/json'].schema.$ref}` });

let bench: Bench;
beforeAll(async () => {
  bench = await startService((store) => publishCrowd(store, 'default', 1));
});
afterAll(() => bench.close());

const one = { values: [...queries(1).row(0)] };
const packed = (bytes: number) => ({ packed: Buffer.alloc(bytes, 1).toString('base64') });
const pair = { a: one, b: one };
const align = (more: object) => ({ pairs: { pairs: [pair] }, ...more });

/** Whether the server takes the request's form; what it says of the values is another matter. */
async function call(method: string, body: object) {
  const path = `/foilbank.v1.${method.replace('.', '/')}`;
  const response = await fetch(bench.service.url + path, {
    ...{ method: 'POST', headers: { 'content-type': 'application/json' } },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  const taken = !/FB_REQUEST_INVALID|cannot decode/.test(text);
  return {
    taken,
    answer: JSON.parse(text) as object,
    ok: response.ok,
    operation: document.paths[path]!.post,
  };
}

describe('docs/openapi.json', () => {
  it.each([
    ['SupportService.EstimateDiscrepancy', { embeddings: [one] }],
    ['SupportService.EstimateDiscrepancy', { embeddings: [one, packed(32)], lookup: { k: 3 } }],
    ['SupportService.EstimateDiscrepancy', {}],
    ['SupportService.EstimateDiscrepancy', { embeddings: [] }],
    ['SupportService.EstimateDiscrepancy', { embeddings: [{}] }],
    ['SupportService.EstimateDiscrepancy', { embeddings: [{ ...one, ...packed(32) }] }],
    ['SupportService.EstimateDiscrepancy', { embeddings: [one], lookup: { k: 0 } }],
    ['SupportService.EstimateDiscrepancy', { embeddings: [one], lookup: { k: -1 } }],
    ['SupportService.EstimateDiscrepancy', { embeddings: [one], lookup: { bank: 'x'.repeat(65) } }],
    ['SupportService.EstimateDiscrepancy', { embeddings: [one], lookup: { excludeIdentities: [''] } }],
    ['SupportService.EstimateDiscrepancy', { embeddings: [one], lookup: { excludeIdentities: ['c1'] } }],
    ['SupportService.EstimateDiscrepancy', { embedings: [one] }],
    [
      'SupportService.FindNeighbors',
      { embeddings: [packed(32)], lookup: { k: 2, requireUnitLength: false } },
    ],
    ['SupportService.AlignScores', align({})],
    ['SupportService.AlignScores', align({ threshold: 3, operator: 'shift', lambda: 0.5 })],
    ['SupportService.AlignScores', align({ threshold: 'NaN' })],
    ['SupportService.AlignScores', align({ threshold: 1, thresholdPreset: 'x' })],
    ['SupportService.AlignScores', align({ thresholdPreset: '' })],
    ['SupportService.AlignScores', align({ lambda: 5 })],
    ['SupportService.AlignScores', align({ grid: { probes: [one], gallery: [one] } })],
    ['SupportService.AlignScores', { grid: { probes: [one], gallery: [one], raw: [0.5] } }],
    ['SupportService.AlignScores', { grid: { probes: [one] } }],
    ['SupportService.AlignScores', { pairs: { pairs: [{ a: one }] } }],
    ['SupportService.AlignScores', { pairs: { pairs: [{ ...pair, raw: 1.5 }] } }],
    ['SupportService.AlignScores', {}],
    ['SupportService.GetBank', {}],
    ['SupportService.ListBanks', {}],
    ['SupportService.ListBanks', { x: 1 }],
    ['BankService.Pin', { bank: 'default', version: '000001' }],
    ['BankService.Pin', { version: '000001' }],
    ['BankService.Rollback', { bank: 'default', version: '1' }],
    ['BankService.Refresh', { bank: 'default', size: 0 }],
    ['FaceService.Embed', { photos: [{ image: 'AAAA', index: 1 }] }],
    ['FaceService.Embed', { photos: [{ image: '' }] }],
    ['FaceService.Embed', { photos: [{ image: 'AAAA', index: 1, whole: true }] }],
  ] as const)('%s takes what the server takes (%#)', async (method, body) => {
    const { taken, answer, ok, operation } = await call(method, body);
    const asked = schemaOf(operation.requestBody);
    expect(asked(body), `the server ${taken ? 'takes' : 'refuses'} it; ${JSON.stringify(asked.errors)}`).toBe(
      taken,
    );
    const told = ok
      ? schemaOf(operation.responses[200])
      : ajv.compile({ $ref: 'api#/components/schemas/ConnectError' });
    expect(told(answer), JSON.stringify(told.errors)).toBe(true);
  });
});
