import { FoilbankError } from '../errors.js';
import { UnitMatrix } from '../vectors/index.js';
import { Engine } from './engine.js';
import type { Answer, EngineFacts, EngineSetup } from './engine-messages.js';
import type { EngineThread } from './engine-spare.js';
import { MicroBatcher } from './micro-batcher.js';

export interface BatchSettings {
  readonly maxRows: number;
  readonly maxWaitMs: number;
  readonly maxWaiting: number;
}

export interface Query {
  /** [m, d] */
  readonly matrix: UnitMatrix;
  readonly k: number;
  readonly exclude: readonly string[];
  readonly neighbours: boolean;
  readonly learned: boolean;
}

/** Batches under way at once: while one is searched, the one before is summed up and the next one is on its way. */
const CONCURRENCY = 2;

/** A version that serves. Whoever uses it holds it; retired, it closes when the last one lets go. */
export class Serving {
  readonly #batcher: MicroBatcher<Query, Answer>;
  #held = 0;
  #retired = false;

  private constructor(
    readonly engine: Engine,
    { maxRows, maxWaitMs, maxWaiting }: BatchSettings,
    onBatch: (rows: number) => void,
  ) {
    this.#batcher = new MicroBatcher({
      ...{ maxRows, maxWaitMs, maxWaiting, concurrency: CONCURRENCY },
      rowsOf: ({ matrix }) => matrix.rows,
      run: async (queries) => {
        const { dimension } = engine.facts.manifest.inputs.embedder;
        const matrix = UnitMatrix.concat(
          queries.map((q) => q.matrix),
          dimension,
        );
        onBatch(matrix.rows);
        const [{ k, neighbours, learned }] = queries as [Query];
        const excluding = queries.some(({ exclude }) => exclude.length > 0);
        const exclude = excluding
          ? queries.flatMap((q) => Array.from({ length: q.matrix.rows }, () => q.exclude))
          : [];
        const answer = await engine.ask({ queries: matrix.data, k, exclude, neighbours, learned });
        return split(
          answer,
          queries.map((q) => q.matrix.rows),
        );
      },
    });
  }

  /** @throws as `Engine.open` */
  static async open(
    setup: EngineSetup,
    batches: BatchSettings,
    onBatch: (rows: number) => void,
    thread?: EngineThread,
  ): Promise<Serving> {
    return new Serving(await Engine.open(setup, thread), batches, onBatch);
  }

  get facts(): EngineFacts {
    return this.engine.facts;
  }

  /** Embeddings that wait for a batch. */
  get depth(): number {
    return this.#batcher.depth;
  }

  /** @throws FoilbankError FB_OVERLOADED, FB_CANCELLED, and what the engine throws */
  find(query: Query, signal?: AbortSignal): Promise<Answer> {
    const { k, neighbours, exclude, learned } = query;
    return this.#batcher.submit(`${k} ${neighbours} ${exclude.length > 0} ${learned}`, query, signal);
  }

  hold(): this {
    if (this.#retired && this.#held === 0) throw new FoilbankError('FB_CANCELLED', { what: 'lookup' });
    this.#held++;
    return this;
  }

  release(): void {
    this.#held--;
    if (this.#retired && this.#held === 0) void this.engine.close();
  }

  /** No one new takes it. */
  async retire(): Promise<void> {
    this.#retired = true;
    if (this.#held === 0) await this.engine.close();
  }
}

/** An answer for many requests as one for each. */
function split(answer: Answer, rows: readonly number[]): Answer[] {
  if (rows.length === 1) return [answer];
  let [at, foundAt] = [0, 0];
  return rows.map((count) => {
    const end = at + count;
    const part = {
      estimator: answer.estimator,
      r: answer.r.subarray(at, end),
      sigma: answer.sigma.subarray(at, end),
      n: answer.n.subarray(at, end),
      excluded: answer.excluded.subarray(at, end),
      aboveCeiling: answer.aboveCeiling.subarray(at, end),
      outside: answer.outside.subarray(at, end),
      lookedUp: answer.lookedUp.subarray(at, end),
    };
    const found = answer.seeds.length > 0 ? part.n.reduce((a, b) => a + b, 0) : 0;
    const seeds = answer.seeds.subarray(foundAt, foundAt + found);
    const similarities = answer.similarities.subarray(foundAt, foundAt + found);
    [at, foundAt] = [end, foundAt + found];
    return { ...part, seeds, similarities };
  });
}
