import type { Manifest } from '../bank/index.js';
import type { PackedError } from '../onnx/index.js';

/** What an engine thread opens. */
export interface EngineSetup {
  /** The store's location: every thread opens it itself. */
  readonly store: string;
  readonly bank: string;
  readonly version: string;
  /** Cores that one search may use. */
  readonly threads: number;
}

/** A bank version that is ready to be asked. */
export interface EngineFacts {
  readonly manifest: Manifest;
  readonly warnings: readonly string[];
  /** Similarity to the candidates' mean direction below which an embedding is outside of what the bank covers. */
  readonly coverageFloor: number;
}

export interface Question {
  /** [m, d] unit vectors. */
  readonly queries: Float32Array;
  readonly k: number;
  /** Identity labels: one list for each query, or none at all. */
  readonly exclude: readonly (readonly string[])[];
  readonly neighbours: boolean;
  /** By what was learned of the bank; the version has it, for this K. */
  readonly learned: boolean;
}

/** Arrays of length m. */
export interface Answer {
  readonly estimator: string;
  readonly r: Float64Array;
  readonly sigma: Float64Array;
  readonly n: Int32Array;
  readonly excluded: Int32Array;
  readonly aboveCeiling: Int32Array;
  /** 1 where the embedding lies outside of what the bank covers. */
  readonly outside: Uint8Array;
  /** 1 where the bank was looked up although it was not asked for. */
  readonly lookedUp: Uint8Array;
  /** The support sets, one after the other, `n` to each query. */
  readonly seeds: Float64Array;
  readonly similarities: Float32Array;
}

export type ToEngine =
  | { readonly kind: 'open'; readonly setup: EngineSetup }
  | { readonly kind: 'ask'; readonly task: number; readonly question: Question }
  | { readonly kind: 'close' };

export type FromEngine =
  | { readonly kind: 'opened'; readonly facts: EngineFacts }
  | { readonly kind: 'unopened'; readonly error: PackedError }
  | { readonly kind: 'answered'; readonly task: number; readonly answer: Answer }
  | { readonly kind: 'failed'; readonly task: number; readonly error: PackedError };
