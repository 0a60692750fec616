import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import { candidateId, isDrawn } from '../bank/index.js';
import {
  type AlignScoresRequest,
  type EstimateDiscrepancyRequest,
  EstimateDiscrepancyResponseSchema,
  type FindNeighborsRequest,
  FindNeighborsResponseSchema,
  type GetBankRequest,
  GetBankResponseSchema,
  ListBanksResponseSchema,
  NeighborSchema,
  type SupportService,
  SupportSetSchema,
} from '../gen/index.js';
import { alignAll } from './align.js';
import type { Found, Lookups } from './lookup.js';

interface Signalled {
  readonly signal: AbortSignal;
}

/** Its unary answers take nothing of a call but the signal (`Unary`). */
export function supportService(lookups: Lookups) {
  return {
    findNeighbors: ({ lookup, embeddings }: FindNeighborsRequest, { signal }: Signalled) =>
      lookups.find(lookup, embeddings, { neighbours: true, signal }, (found) =>
        create(FindNeighborsResponseSchema, { source: found.source, supportSets: supportSetsOf(found) }),
      ),
    estimateDiscrepancy: ({ lookup, embeddings }: EstimateDiscrepancyRequest, { signal }: Signalled) =>
      lookups.find(lookup, embeddings, { signal }, ({ source, discrepancies }) =>
        create(EstimateDiscrepancyResponseSchema, { source, discrepancies: [...discrepancies] }),
      ),
    alignScores: (request: AlignScoresRequest, { signal }: Signalled) => alignAll(lookups, request, signal),
    getBank: ({ bank }: GetBankRequest) =>
      create(GetBankResponseSchema, { bank: lookups.bank(lookups.holder(bank)) }),
    listBanks: () =>
      create(ListBanksResponseSchema, { banks: [...lookups.holders.values()].map((h) => lookups.bank(h)) }),
  } satisfies ServiceImpl<typeof SupportService>;
}

function supportSetsOf({ answer, discrepancies }: Found) {
  let at = 0;
  return discrepancies.map((discrepancy) => {
    const neighbors = Array.from({ length: discrepancy.n }, () => {
      const seed = answer.seeds[at]!;
      const similarity = answer.similarities[at++]!;
      return create(NeighborSchema, {
        ...{ id: candidateId(seed), seed: BigInt(seed), similarity, drawn: isDrawn(seed) },
      });
    });
    return create(SupportSetSchema, { discrepancy, neighbors });
  });
}
