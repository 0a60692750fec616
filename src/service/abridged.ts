import { type DescField, getOption, isMessage, type Message } from '@bufbuild/protobuf';
import { field as RULES } from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';
import {
  type AlignScoresRequest,
  AlignScoresRequestSchema,
  type Embedding,
  EmbeddingSchema,
  type EstimateDiscrepancyRequest,
  EstimateDiscrepancyRequestSchema,
  type FindNeighborsRequest,
  FindNeighborsRequestSchema,
} from '../gen/index.js';

/**
 * A request to be held against the rules of the contract, with one in place of many embeddings that keep to them beyond doubt. The
 * validator makes a kilobyte of objects for each, which of a request of hundreds was most of what it left to the collector.
 */
export function abridged(request: Message): Message {
  if (isMessage(request, EstimateDiscrepancyRequestSchema)) return withFew(request);
  if (isMessage(request, FindNeighborsRequestSchema)) return withFew(request);
  if (!isMessage(request, AlignScoresRequestSchema) || request.comparisons.case !== 'grid') return request;
  const { value } = request.comparisons;
  const shorter = { ...value, probes: few(value.probes), gallery: few(value.gallery) };
  const alike: AlignScoresRequest = { ...request, comparisons: { case: 'grid', value: shorter } };
  return alike;
}

const withFew = <M extends EstimateDiscrepancyRequest | FindNeighborsRequest>(request: M): M => ({
  ...request,
  embeddings: few(request.embeddings),
});

const MOST_BYTES = Number(rulesOf(EmbeddingSchema.field.packed, 'bytes').maxLen);
/** The same for every list of embeddings. */
const MOST_EMBEDDINGS = Number(rulesOf(FindNeighborsRequestSchema.field.embeddings, 'repeated').maxItems);

function rulesOf<Kind extends 'bytes' | 'repeated'>(field: DescField, kind: Kind) {
  const { type } = getOption(field, RULES);
  if (type.case !== kind) throw new TypeError(`${field.toString()} has no rules of ${kind}`);
  return type.value as Extract<typeof type, { case: Kind }>['value'];
}

const few = (embeddings: Embedding[]): Embedding[] =>
  embeddings.length <= MOST_EMBEDDINGS && embeddings.every(isPlain) ? embeddings.slice(0, 1) : embeddings;

const isPlain = ({ packed, values }: Embedding): boolean =>
  packed.length > 0 && packed.length <= MOST_BYTES && values.length === 0;
