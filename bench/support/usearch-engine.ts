import { createRequire } from 'node:module';
import type { Index, MetricKind, ScalarKind } from 'usearch';
import type { NeighbourEngine, Neighbours } from '../../src/neighbours/index.js';
import type { UnitMatrix } from '../../src/vectors/index.js';

// The package's ESM entry calls itself without end when it is imported; its CommonJS one is sound.
const usearch = createRequire(import.meta.url)('usearch') as typeof import('usearch');

/** usearch behind the engines' port, as a peer to compare with. It is synchronous and blocks the thread that calls it. */
export class UsearchEngine implements Pick<NeighbourEngine, 'nearest' | 'nearestSimilarities' | 'close'> {
  readonly kind = 'hnsw';

  private constructor(
    readonly index: Index,
    readonly candidates: number,
    readonly dimension: number,
    readonly threads: number,
  ) {}

  static build(candidates: UnitMatrix, connections: number, efConstruction: number, threads: number) {
    const index = newIndex(candidates.dimension, connections, efConstruction, 64);
    const keys = BigUint64Array.from({ length: candidates.rows }, (_, row) => BigInt(row));
    index.add(keys, new Float32Array(candidates.data), threads);
    return new UsearchEngine(index, candidates.rows, candidates.dimension, threads);
  }

  static load(file: string, candidates: number, dimension: number, ef: number, threads: number) {
    const index = newIndex(dimension, 16, 128, ef);
    index.load(file);
    return new UsearchEngine(index, candidates, dimension, threads);
  }

  async save(file: string): Promise<void> {
    this.index.save(file);
  }

  async nearest(queries: UnitMatrix, k: number): Promise<Neighbours> {
    const found = this.index.search(queries.data.slice(), k, this.threads);
    return {
      width: k,
      similarities: Float32Array.from(found.distances, (distance) => 1 - distance),
      rows: Int32Array.from(found.keys, Number),
    };
  }

  nearestSimilarities(queries: UnitMatrix, k: number): Promise<Neighbours> {
    return this.nearest(queries, k);
  }

  async close(): Promise<void> {}
}

function newIndex(dimensions: number, connectivity: number, expansionAdd: number, expansionSearch: number) {
  return new usearch.Index({
    dimensions,
    metric: 'ip' as MetricKind,
    quantization: 'f32' as ScalarKind,
    connectivity,
    expansion_add: expansionAdd,
    expansion_search: expansionSearch,
    multi: false,
  });
}
