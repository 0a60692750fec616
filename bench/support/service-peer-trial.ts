import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import hnswlib from 'hnswlib-node';
import {
  DiscrepancySchema,
  type EstimateDiscrepancyRequest,
  EstimateDiscrepancyRequestSchema,
  type EstimateDiscrepancyResponse,
  EstimateDiscrepancyResponseSchema,
  SupportService,
  unpackEmbedding,
} from '../../src/client.js';
import { spreadOf } from '../../src/vectors/index.js';
import { bunchedVectors } from './bunched-vectors.js';

/**
 * Handlers of the same contract to compare with: `plain` is what one would write first, asking hnswlib-node in the handler;
 * `empty` answers without any work, in Connect or (`grpc-js`) in the other library, and so shows what the protocol alone costs.
 */
export interface Peer {
  readonly kind: 'plain' | 'empty' | 'grpc-js';
  readonly candidates: number;
  readonly dimension: number;
  /** K of the load: `plain` searches as widely as it takes for the service's error of r, which is an exact search's. */
  readonly k: readonly number[];
}

const peer = JSON.parse(process.argv[2] ?? '{}') as Peer;
const answer = peer.kind === 'plain' ? asking() : nothing;
if (peer.kind === 'grpc-js') {
  const server = new Server();
  const method = {
    path: `/${SupportService.typeName}/EstimateDiscrepancy`,
    ...{ requestStream: false as const, responseStream: false as const, originalName: 'estimateDiscrepancy' },
    requestSerialize: (m: EstimateDiscrepancyRequest) =>
      Buffer.from(toBinary(EstimateDiscrepancyRequestSchema, m)),
    requestDeserialize: (b: Buffer) => fromBinary(EstimateDiscrepancyRequestSchema, b),
    responseSerialize: (m: EstimateDiscrepancyResponse) =>
      Buffer.from(toBinary(EstimateDiscrepancyResponseSchema, m)),
    responseDeserialize: (b: Buffer) => fromBinary(EstimateDiscrepancyResponseSchema, b),
  };
  server.addService(
    { estimateDiscrepancy: method },
    {
      estimateDiscrepancy: (
        { request }: { request: EstimateDiscrepancyRequest },
        done: (error: null, reply: EstimateDiscrepancyResponse) => void,
      ) => done(null, answer(request)),
    },
  );
  server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_error, port) =>
    process.send?.(`http://127.0.0.1:${port}`),
  );
} else {
  const handler = connectNodeAdapter({
    routes: (router) => void router.service(SupportService, { estimateDiscrepancy: answer }),
  });
  const server = createServer(handler);
  server.listen(0, '127.0.0.1', () =>
    process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
  );
}

function nothing({ embeddings }: EstimateDiscrepancyRequest): EstimateDiscrepancyResponse {
  const discrepancies = embeddings.map(() => create(DiscrepancySchema, { r: 0.9, sigma: 0.01, n: 16 }));
  return create(EstimateDiscrepancyResponseSchema, { discrepancies });
}

function asking(): (request: EstimateDiscrepancyRequest) => EstimateDiscrepancyResponse {
  const { candidates, dimension } = peer;
  const inexact = 2e-5;
  const vectors = bunchedVectors({ rows: candidates, dimension, seed: 1 });
  const probes = bunchedVectors({ rows: 100, dimension, seed: 2 });
  const index = new hnswlib.HierarchicalNSW('ip', dimension);
  index.initIndex({ maxElements: candidates, m: 32, efConstruction: 200, randomSeed: 100 });
  const exact = new hnswlib.BruteforceSearch('ip', dimension);
  exact.initIndex(candidates);
  for (let row = 0; row < candidates; row++) {
    index.addPoint([...vectors.row(row)], row);
    exact.addPoint([...vectors.row(row)], row);
  }
  const queries = Array.from({ length: 100 }, (_, i) => [...probes.row(i)]);
  const meanOf = ({ distances }: { distances: number[] }) =>
    distances.reduce((sum, d) => sum + 1 - d, 0) / distances.length;
  const efs = new Map<number, number>();
  for (const k of peer.k) {
    const truth = queries.map((query) => meanOf(exact.searchKnn(query, k)));
    for (let ef = Math.max(64, k); ; ef *= 2) {
      index.setEf(ef);
      efs.set(k, ef);
      const off = queries.map((query, i) => Math.abs(meanOf(index.searchKnn(query, k)) - truth[i]!));
      if (ef >= candidates || off.reduce((a, b) => a + b) / off.length <= inexact) break;
    }
  }
  return ({ lookup, embeddings }) => {
    const k = lookup?.k ?? 64;
    index.setEf(efs.get(k) ?? Math.max(128, 2 * k));
    const discrepancies = embeddings.map((embedding) => {
      const { distances } = index.searchKnn([...unpackEmbedding(embedding)], k);
      const { mean: r, deviation: sigma } = spreadOf(Float32Array.from(distances, (d) => 1 - d));
      return create(DiscrepancySchema, { r, sigma, n: distances.length });
    });
    return create(EstimateDiscrepancyResponseSchema, { discrepancies });
  };
}
