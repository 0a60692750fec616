import type { Tensors, ValueInfo } from './tensor.js';

/** What the pool and its threads say to each other. */
export type ToThread =
  | { readonly kind: 'open'; readonly task: number; readonly network: number; readonly source: NetworkSource }
  | {
      readonly kind: 'run';
      readonly task: number;
      readonly network: number;
      readonly feeds: Tensors;
      readonly outputs: readonly string[] | undefined;
    }
  | { readonly kind: 'release'; readonly task: number; readonly network: number };

export type FromThread =
  | { readonly task: number; readonly ok: true; readonly result: TaskResult }
  | { readonly task: number; readonly ok: false; readonly reason: string };

export type TaskResult =
  | { readonly kind: 'opened'; readonly inputs: readonly ValueInfo[]; readonly outputs: readonly ValueInfo[] }
  | { readonly kind: 'ran'; readonly outputs: Tensors; readonly milliseconds: number }
  | { readonly kind: 'released' };

/** A graph, and the inputs that never change. */
export interface NetworkSource {
  /** For messages. */
  readonly name: string;
  /** The serialised ONNX graph: a file's path, or its bytes. */
  readonly graph: string | Uint8Array;
  /**
   * Inputs fed to every run, bound once per thread. From a SharedArrayBuffer each thread makes its own copy, without the
   * main thread having to.
   */
  readonly constants?: Tensors;
}
