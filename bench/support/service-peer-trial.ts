import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { create } from '@bufbuild/protobuf';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import hnswlib from 'hnswlib-node';
import {
  DiscrepancySchema,
  EstimateDiscrepancyResponseSchema,
  SupportService,
  unpackEmbedding,
} from '../../src/client.js';
import { spreadOf } from '../../src/vectors/index.js';
import { bunchedVectors } from './bunched-vectors.js';

/** What one would write first: a handler of the same contract that asks hnswlib-node and answers. */
const { candidates, dimension } = JSON.parse(process.argv[2] ?? '{}') as {
  candidates: number;
  dimension: number;
};
const vectors = bunchedVectors({ rows: candidates, dimension, seed: 1 });
const index = new hnswlib.HierarchicalNSW('ip', dimension);
index.initIndex({ maxElements: candidates, m: 32, efConstruction: 200, randomSeed: 100 });
for (let row = 0; row < candidates; row++) index.addPoint([...vectors.row(row)], row);
const handler = connectNodeAdapter({
  routes: (router) => {
    router.service(SupportService, {
      estimateDiscrepancy: ({ lookup, embeddings }) => {
        const k = lookup?.k ?? 64;
        index.setEf(Math.max(128, Math.ceil(1.25 * k)));
        const discrepancies = embeddings.map((embedding) => {
          const { distances } = index.searchKnn([...unpackEmbedding(embedding)], k);
          const { mean: r, deviation: sigma } = spreadOf(Float32Array.from(distances, (d) => 1 - d));
          return create(DiscrepancySchema, { r, sigma, n: distances.length });
        });
        return create(EstimateDiscrepancyResponseSchema, { discrepancies });
      },
    });
  },
});
const server = createServer(handler);
server.listen(0, '127.0.0.1', () =>
  process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
);
