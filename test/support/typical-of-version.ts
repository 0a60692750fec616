import type { openBank } from '../../src/bank/index.js';
import { askOwnFaces, facesAsked } from '../../src/discrepancy/index.js';
import type { InferencePool } from '../../src/onnx/index.js';
import { openSupport } from '../../src/pipeline/index.js';
import { typicalOf } from '../../src/scoring/index.js';

type Store = Parameters<typeof openBank>[0];

/** What a version's manifest says is typical, and what its own candidates say at its K. */
export async function typicalOfVersion(pool: InferencePool, store: Store, bank: string, version: string) {
  const support = await openSupport(pool, store, bank, { version });
  try {
    const { typical, neighbours } = support.bank.manifest.parameters;
    const faces = facesAsked(support.bank.candidates);
    const [own] = await askOwnFaces(support.search, faces, [neighbours]);
    return { typical: typical!, measured: typicalOf(own!)! };
  } finally {
    await support.close();
  }
}
