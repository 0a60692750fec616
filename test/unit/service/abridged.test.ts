import { create, type Message } from '@bufbuild/protobuf';
import { createValidator } from '@bufbuild/protovalidate';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AlignScoresRequestSchema,
  EmbeddingSchema,
  EstimateDiscrepancyRequestSchema,
  FindNeighborsRequestSchema,
} from '../../../src/gen/index.js';
import { abridged } from '../../../src/service/abridged.js';

const validator = createValidator();
const embedding = fc
  .record({
    bytes: fc.constantFrom(0, 4, 4, 512, 512, 512, 16_384, 16_385),
    values: fc.constantFrom(0, 0, 0, 0, 1, 4097),
  })
  .map(({ bytes, values }) =>
    create(EmbeddingSchema, { packed: new Uint8Array(bytes), values: new Array<number>(values).fill(1) }),
  );
const plain = create(EmbeddingSchema, { packed: new Uint8Array(512) });
const embeddings = fc.oneof(
  fc.array(embedding, { maxLength: 6 }),
  fc.constantFrom(4096, 4097).map((count) => new Array(count).fill(plain) as (typeof plain)[]),
);
const request = fc.oneof(
  embeddings.map((some) => create(EstimateDiscrepancyRequestSchema, { embeddings: some })),
  fc
    .record({ some: embeddings, k: fc.constantFrom(0, 16) })
    .map(({ some, k }) => create(FindNeighborsRequestSchema, { lookup: { k }, embeddings: some })),
  fc
    .record({ probes: embeddings, gallery: embeddings, raw: fc.constantFrom<number[]>([], [0.5], [2]) })
    .map(({ probes, gallery, raw }) =>
      create(AlignScoresRequestSchema, {
        comparisons: { case: 'grid', value: { probes, gallery, raw } },
        lambda: 1,
      }),
    ),
  fc.array(embedding, { minLength: 2, maxLength: 2 }).map(([a, b]) =>
    create(AlignScoresRequestSchema, {
      comparisons: { case: 'pairs', value: { pairs: [{ a: a!, b: b! }] } },
    }),
  ),
);
const schemas = [EstimateDiscrepancyRequestSchema, FindNeighborsRequestSchema, AlignScoresRequestSchema];
const verdict = (message: Message) => {
  const schema = schemas.find(({ typeName }) => typeName === message.$typeName)!;
  return String(validator.validate(schema, message as never).error);
};

describe('an abridged request', () => {
  it('keeps to the contract exactly if the whole does, and breaks the same rule at the same place', () => {
    const kinds = new Set<boolean>();
    fc.assert(
      fc.property(request, (message) => {
        const told = verdict(message);
        kinds.add(told === 'undefined');
        expect(verdict(abridged(message))).toBe(told);
      }),
      { numRuns: 300 },
    );
    expect(kinds.size).toBe(2);
  });

  it('holds one of many embeddings that are in order, and the request holds all of them still', () => {
    const message = create(EstimateDiscrepancyRequestSchema, { embeddings: new Array(256).fill(plain) });
    expect((abridged(message) as typeof message).embeddings).toEqual([plain]);
    expect(message.embeddings).toHaveLength(256);
  });
});
