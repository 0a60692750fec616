import { ensureParts, inputsOf, type OnSeeds } from '../pipeline/index.js';
import type { ChunkPayload } from './payloads.js';
import type { JobServices } from './services.js';

export interface ChunkResult {
  /** Seeds decided in this turn; 0 where the part lay in the store already. */
  readonly made: number;
  /** Faces among them that the detector accepted. */
  readonly accepted: number;
}

/**
 * Job `chunk` of queue `generate`. Payload: `ChunkPayload`. Effect: the part of these seeds lies in the store. It is named
 * by all that produced it, which makes a repeat a no-op and the name the idempotency key. Outcomes: made, there already, or
 * what `ensureParts` throws.
 */
export async function makeChunk(
  { pool, store, makers }: JobServices,
  { bank, options, networks: references }: ChunkPayload,
  signal?: AbortSignal,
  onProgress?: OnSeeds,
): Promise<ChunkResult> {
  const { networks, maker } = await makers.open(references);
  const inputs = inputsOf(networks, { ...options, size: options.chunkSize }, 0);
  const { made, accepted } = await ensureParts(
    { pool, store, bank, maker, inputs, options, signal, onProgress },
    1,
  );
  return { made, accepted };
}
