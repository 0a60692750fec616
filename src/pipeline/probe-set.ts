import { type BankStore, joinTables, type Part } from '../bank/index.js';
import { FoilbankError } from '../errors.js';
import type { InferencePool } from '../onnx/index.js';
import { MAX_SEED } from '../synthesis/index.js';
import { UnitMatrix } from '../vectors/index.js';
import type { Inputs } from './build-inputs.js';
import { ensureParts } from './build-parts.js';
import type { CandidateMaker } from './candidate-maker.js';

/** Faces that banks of one recipe are compared by. */
const PROBES = 256;
/** Seeds that no build reaches: `resolveBuildOptions` keeps first seeds 10⁹ away from the last one. */
const FIRST_PROBE_SEED = MAX_SEED - 2 ** 28;
const CHUNK = 256;
/** Chunks after which the generator is said to make no faces. */
const PATIENCE = 16;

export interface ProbeRequest {
  readonly pool: InferencePool;
  readonly store: BankStore;
  readonly bank: string;
  readonly maker: CandidateMaker;
  readonly inputs: Inputs;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The probes of a recipe: the first 256 faces from reserved seeds that pass the detection gate, so they are of the bank's own
 * distribution and in no bank. They are kept as parts in the store and made again where they are missing.
 *
 * @returns [256, d]
 * @throws FoilbankError FB_YIELD_TOO_LOW, FB_CANCELLED, and what networks and store throw
 */
export async function probeSet(request: ProbeRequest): Promise<UnitMatrix> {
  const { inputs, ...rest } = request;
  const { psi, gates, embedder } = inputs;
  const { minimumScore } = gates;
  // How a bank's own seeds are cut must not matter.
  const source = {
    ...rest,
    inputs: { ...inputs, chunkSize: CHUNK },
    options: { psi, minimumScore, chunkSize: CHUNK, firstSeed: FIRST_PROBE_SEED },
  };
  for (let chunks = 1; ; ) {
    const { parts, ranges } = await ensureParts(source, chunks);
    const loaded = await Promise.all(ranges.map((range) => parts.load(range)));
    const damaged = ranges.filter((_, i) => !loaded[i]);
    for (const range of damaged) await parts.remove(range);
    if (damaged.length > 0) continue;
    const { seeds, embeddings } = await joinTables(loaded.map((part) => (part as Part).candidates));
    if (seeds.length >= PROBES)
      return UnitMatrix.adopt(embeddings, embedder.dimension, 'probes').slice(0, PROBES);
    if (chunks === PATIENCE)
      throw new FoilbankError('FB_YIELD_TOO_LOW', {
        ...{ accepted: seeds.length, generated: chunks * CHUNK, firstSeed: FIRST_PROBE_SEED },
      });
    chunks++;
  }
}
