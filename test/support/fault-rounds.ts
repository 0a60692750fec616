import type { FaultLane, LoopingReader } from './fault-lane.js';

/** FAULT_SEED repeats the points of a run or draws others, FAULT_ROUNDS asks for more of them. */
export const SEED = Number(process.env.FAULT_SEED ?? 1);
/** The suite has one round of each kind and a few; `npm run faults` has the whole. */
const ROUNDS = Number(process.env.FAULT_ROUNDS ?? 14);

export interface Round {
  readonly number: number;
  readonly kind: string;
  readonly random: () => number;
  readonly probes: boolean;
}

/** What was done to a refresh. */
export interface Struck {
  /** Where exactly, for the table. */
  readonly point: string;
  /** Done once the refresh has ended. */
  readonly after?: () => Promise<void>;
}

/** Does the harm to a refresh that was just begun, and returns when it is done. */
export type Harm = (lane: FaultLane, id: string, round: Round, reader: LoopingReader) => Promise<Struck>;

/** A whole number from low to below high. */
export const between = (random: () => number, low: number, high: number): number =>
  Math.floor(low + random() * (high - low));

/** Numbers in 0..1 that a seed and a round give again. */
function randomOf(round: number): () => number {
  let state = (SEED * 1_000_003 + round * 7919 + 1) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Of six rounds one is in a bucket. */
const SHARE_OF_S3 = 6;

/** Takes the kinds of harm in turn: those to a folder, and now and then one of those to a bucket. */
export function roundsOf(kinds: readonly string[], bucketKinds: readonly string[]): Round[] {
  return Array.from({ length: ROUNDS }, (_, number) => {
    const random = randomOf(number);
    const bucket = number % SHARE_OF_S3 === SHARE_OF_S3 - 1;
    const turn = Math.floor(number / SHARE_OF_S3);
    const kind = bucket ? bucketKinds[turn % bucketKinds.length] : kinds[(number - turn) % kinds.length];
    return { number, kind: kind as string, random, probes: random() < 0.75 };
  });
}
