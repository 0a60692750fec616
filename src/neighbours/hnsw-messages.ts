/** What {@link HnswEngine} asks of the thread that owns its index. */
export type HnswQuestion =
  | {
      readonly kind: 'build';
      readonly candidates: Float32Array;
      readonly dimension: number;
      readonly connections: number;
      readonly efConstruction: number;
      readonly seed: number;
    }
  | { readonly kind: 'load'; readonly file: string; readonly dimension: number }
  | { readonly kind: 'save'; readonly file: string }
  | {
      readonly kind: 'search';
      readonly queries: Float32Array;
      readonly width: number;
      readonly ef: number;
      readonly wantsRows: boolean;
    };

export interface HnswThreadData {
  /** One shared Int32: 1 once nothing more is wanted. */
  readonly stop: Int32Array<SharedArrayBuffer>;
}

export interface ToHnswThread {
  readonly task: number;
  /** Absent in the last message: the thread ends then. */
  readonly question?: HnswQuestion;
}

export interface HnswFound {
  readonly similarities: Float32Array;
  readonly rows: Int32Array;
}

export type FromHnswThread =
  | { readonly kind: 'progress'; readonly done: number }
  | { readonly kind: 'done'; readonly task: number; readonly found: HnswFound | undefined }
  | { readonly kind: 'failed'; readonly task: number; readonly reason: string };
