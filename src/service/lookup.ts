import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { Manifest } from '../bank/index.js';
import { checkWhole } from '../checks.js';
import { FoilbankError } from '../errors.js';
import {
  type Bank,
  BankSchema,
  Coverage,
  type Discrepancy,
  DiscrepancySchema,
  type Embedding,
  type Lookup,
  PresetSchema,
  type Source,
  SourceSchema,
} from '../gen/index.js';
import type { BankHolder } from './bank-holder.js';
import { type ReadEmbeddings, readEmbeddings } from './embeddings.js';
import type { Answer } from './engine-messages.js';
import { freeLarge } from './free-large.js';
import type { Serving } from './serving.js';
import { presetsOf, typicalAt } from './thresholds.js';

/** What one request may ask for; above it, it is refused with the limit. */
export interface LookupLimits {
  readonly k: number;
  readonly embeddings: number;
  /** Neighbours or scores of one reply: making them holds the event loop. */
  readonly results: number;
}

/** A lookup that was answered, with the version that answered it. */
export interface Found extends ReadEmbeddings {
  readonly source: Source;
  readonly serving: Serving;
  readonly answer: Answer;
  readonly discrepancies: readonly Discrepancy[];
}

/** The banks that a server serves, and how requests are held against them. */
export class Lookups {
  constructor(
    readonly holders: ReadonlyMap<string, BankHolder>,
    readonly limits: LookupLimits,
  ) {}

  /** @param bank empty: the first. @throws FoilbankError FB_BANK_NOT_SERVED */
  holder(bank: string): BankHolder {
    const [first] = this.holders.values();
    const holder = bank === '' ? first : this.holders.get(bank);
    if (holder) return holder;
    const banks = [...this.holders.keys()].join(', ');
    throw new FoilbankError('FB_BANK_NOT_SERVED', { bank: JSON.stringify(bank), banks });
  }

  /** @throws FoilbankError FB_LIMIT when a reply would have more results than allowed */
  checkResults(count: number): void {
    const { results: limit } = this.limits;
    if (count > limit) throw new FoilbankError('FB_LIMIT', { what: 'results', actual: count, limit });
  }

  /**
   * r, σ and on demand the neighbours of embeddings. The version stays held until `use` has made its reply, and so do the embeddings.
   *
   * @throws FoilbankError FB_BANK_NOT_SERVED, FB_BANK_UNREADY, FB_BANK_VERSION_…, FB_OPTION_INVALID, FB_LIMIT, FB_EMBEDDING_…, FB_OVERLOADED
   */
  async find<T>(
    lookup: Lookup | undefined,
    embeddings: readonly Embedding[],
    options: { readonly neighbours?: boolean; readonly signal?: AbortSignal },
    use: (found: Found) => T,
  ): Promise<T> {
    const {
      bank = '',
      estimator = '',
      excludeIdentities = [],
      requireUnitLength = false,
      version = '',
    } = lookup ?? {};
    const serving = await this.holder(bank).take(version);
    try {
      const { manifest } = serving.facts;
      if (!['', 'virtual', 'learned'].includes(estimator))
        throw new FoilbankError('FB_OPTION_INVALID', {
          ...{ option: 'estimator', value: JSON.stringify(estimator), expected: 'virtual or learned' },
        });
      const k = lookup?.k ?? manifest.parameters.neighbours;
      checkWhole(
        'k',
        k,
        1,
        Math.min(manifest.counts.accepted, Math.max(this.limits.k, manifest.parameters.neighbours)),
      );
      const learned = estimator === 'learned';
      if (learned) checkLearned(manifest, k);
      const { embeddings: limit } = this.limits;
      if (embeddings.length > limit)
        throw new FoilbankError('FB_LIMIT', { what: 'embeddings', actual: embeddings.length, limit });
      const { neighbours = false, signal } = options;
      if (neighbours) this.checkResults(k * embeddings.length);
      const read = readEmbeddings(embeddings, manifest.inputs.embedder.dimension, requireUnitLength);
      const query = { matrix: read.matrix, k, exclude: excludeIdentities, neighbours, learned };
      const answer = await serving.find(query, signal);
      const source = sourceOf(serving, answer.estimator, k);
      const discrepancies = read.normalised.map((normalised, i) => discrepancyOf(answer, i, normalised));
      const reply = use({ ...read, serving, answer, discrepancies, source });
      freeLarge(read.matrix.data);
      return reply;
    } finally {
      serving.release();
    }
  }

  bank({ bank: name, serving, notes }: BankHolder): Bank {
    if (!serving) return create(BankSchema, { name, notes: [...notes] });
    const { manifest, warnings, coverageFloor } = serving.facts;
    const { inputs, counts, parameters } = manifest;
    return create(BankSchema, {
      ...{ name, version: manifest.version, candidates: counts.accepted },
      createdAt: timestampFromDate(new Date(manifest.createdAt)),
      ...{ dimension: inputs.embedder.dimension, embedder: inputs.embedder.name },
      ...{ generator: inputs.generator.name, engine: parameters.engine, k: parameters.neighbours },
      ...{ operator: parameters.operator, lambda: parameters.lambda, coverageFloor },
      ...{ warnings: [...warnings], notes: [...notes], typical: typicalAt(manifest, parameters.neighbours) },
      presets: presetsOf(manifest).map((preset) => create(PresetSchema, preset)),
      estimators: ['virtual', ...(learnedFor(manifest) === undefined ? [] : ['learned'])],
    });
  }
}

/** The K that was learned for, which is of use where it is the recommended one. */
const learnedFor = ({ parameters: { learned, neighbours } }: Manifest): number | undefined =>
  learned?.neighbours === neighbours ? neighbours : undefined;

function checkLearned(manifest: Manifest, k: number): void {
  const { bank, version } = manifest;
  const here = learnedFor(manifest);
  if (here === k) return;
  const reason = here === undefined ? 'nothing was learned' : `it was learned for K ${here}`;
  throw new FoilbankError('FB_LEARNED_ABSENT', { bank, version, k, reason });
}

function sourceOf({ facts }: Serving, estimator: string, k: number): Source {
  const { bank, version, parameters } = facts.manifest;
  return create(SourceSchema, {
    ...{ bank, version, estimator, k, engine: parameters.engine, warnings: [...facts.warnings] },
  });
}

/** A plain message, as `create` would make it: of hundreds it makes each for several times as much. */
function discrepancyOf(answer: Answer, i: number, normalised: boolean): Discrepancy {
  return {
    $typeName: DiscrepancySchema.typeName,
    r: answer.r[i]!,
    sigma: answer.sigma[i]!,
    n: answer.n[i]!,
    excludedByIdentity: answer.excluded[i]!,
    excludedByCeiling: answer.aboveCeiling[i]!,
    normalised,
    coverage: answer.outside[i] ? Coverage.OUTSIDE : Coverage.INSIDE,
    lookedUp: answer.lookedUp[i] === 1,
  };
}
