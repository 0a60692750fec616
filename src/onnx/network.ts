import type { Tensors, ValueInfo } from './tensor.js';

export interface RunOptions {
  /** Output names to fetch. Default: all. */
  readonly outputs?: readonly string[];
  /** Gives the feeds' buffers away, which saves copying and keeping them: the caller's arrays become empty. */
  readonly transfer?: boolean;
  /** Waiting tasks with a higher number run first. Later stages of a pipeline take higher ones. Default 0. */
  readonly priority?: number;
}

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

/** A graph that is ready to run. */
export interface Network {
  readonly name: string;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  /** Milliseconds spent inside `session.run`, summed over threads, and how many runs that was. */
  readonly spent: { readonly milliseconds: number; readonly runs: number };
  /** @throws FoilbankError FB_INFERENCE_FAILED, FB_INFERENCE_THREAD_DIED */
  run(feeds: Tensors, options?: RunOptions): Promise<Tensors>;
  /** Frees the sessions. */
  release(): Promise<void>;
}

/** Where networks run: in the threads of a pool, or in the thread that calls them. */
export interface NetworkHost {
  /** @throws FoilbankError FB_MODEL_LOAD_FAILED */
  load(source: NetworkSource): Promise<Network>;
}
