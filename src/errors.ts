/**
 * Every failure that a user can cause, in one catalogue: a stable code, what happened (with the offending values), what
 * to do, and how the RPC and the queue treat it. `docs/errors.md` is generated from it and a test holds both equal.
 */
export type GrpcStatus =
  | 'INVALID_ARGUMENT'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'FAILED_PRECONDITION'
  | 'RESOURCE_EXHAUSTED'
  | 'DATA_LOSS'
  | 'UNAVAILABLE'
  | 'CANCELLED'
  | 'INTERNAL';

interface CatalogueEntry {
  /** `{name}` stands for a value given where the error is thrown. */
  readonly message: string;
  readonly remedy: string;
  readonly status: GrpcStatus;
  /** Whether the same call may succeed later without any change; decides a job's retry. */
  readonly retryable?: true;
}

const define = <const T extends Record<string, CatalogueEntry>>(entries: T): T => entries;

export const ERROR_CATALOGUE = define({
  // ── general ─────────────────────────────────────────────────────────────────────────────────────────────────
  FB_OPTION_INVALID: {
    message: 'option {option}: {value} is not {expected}',
    remedy: 'Give a value in the stated range; --help lists the defaults.',
    status: 'INVALID_ARGUMENT',
  },
  FB_CANCELLED: {
    message: 'cancelled: {what}',
    remedy: 'Run the same command again: it continues where it stopped.',
    status: 'CANCELLED',
    retryable: true,
  },
  FB_FILE_UNREADABLE: {
    message: '{file} cannot be read: {reason}',
    remedy: 'Check that the path exists and that this user may read it.',
    status: 'NOT_FOUND',
  },
  FB_FILE_UNWRITABLE: {
    message: '{file} cannot be written: {reason}',
    remedy: 'Check free space and permissions of the folder.',
    status: 'FAILED_PRECONDITION',
    retryable: true,
  },
  // ── onnx: sessions and model cards ──────────────────────────────────────────────────────────────────────────
  FB_CARD_UNREADABLE: {
    message: 'model card {card} cannot be read: {reason}',
    remedy: 'Check the path; docs/model-cards.md describes the format.',
    status: 'NOT_FOUND',
  },
  FB_CARD_INVALID: {
    message: 'model card {card}, field {field}: {reason}',
    remedy: 'Correct the field; docs/model-cards.md describes every one.',
    status: 'INVALID_ARGUMENT',
  },
  FB_CARD_UNKNOWN: {
    message: 'no model card is named {name}; known are {known}',
    remedy: 'Give one of the known names or the path of a card; `foilbank models list` shows them.',
    status: 'NOT_FOUND',
  },
  FB_MODEL_FILE_MISSING: {
    message: 'model card {card}, field file: {file} does not exist',
    remedy: 'Run `foilbank models prepare`, or put the file beside its card.',
    status: 'FAILED_PRECONDITION',
  },
  FB_MODEL_HASH_MISMATCH: {
    message: 'model card {card}, field sha256: {file} hashes to {actual}, the card says {expected}',
    remedy:
      'The file is not the one the card describes: run `foilbank models prepare --force`, or correct the card.',
    status: 'DATA_LOSS',
  },
  FB_MODEL_GRAPH_MISMATCH: {
    message: 'model card {card}, field {field}: the graph has {actual}, the card says {expected}',
    remedy: 'Correct the named field of the card so that it describes the graph.',
    status: 'INVALID_ARGUMENT',
  },
  FB_MODEL_GOLDEN_MISMATCH: {
    message: 'model card {card}, field golden: the output differs by {difference}, {tolerance} is allowed',
    remedy:
      'Colour order, mean, scale or alignment template of the card do not fit the network: correct them.',
    status: 'FAILED_PRECONDITION',
  },
  FB_MODEL_LOAD_FAILED: {
    message: 'network {name} cannot be loaded: {reason}',
    remedy: 'Check that the file is a whole ONNX graph that this onnxruntime supports.',
    status: 'INVALID_ARGUMENT',
  },
  FB_WEIGHTS_UNREADABLE: {
    message: 'published weights {file} cannot be converted: {reason}',
    remedy: 'Reinstall the package that ships them (npm ci) and run `foilbank models prepare` again.',
    status: 'DATA_LOSS',
  },
  FB_INFERENCE_FAILED: {
    message: 'network {name} failed: {reason}',
    remedy: 'Check the shapes of the inputs against the model card.',
    status: 'INTERNAL',
  },
  FB_INFERENCE_THREAD_DIED: {
    message: 'the inference thread died: {reason}',
    remedy: 'Often memory ran out: lower the batch size or the number of threads, then run again.',
    status: 'INTERNAL',
    retryable: true,
  },
});

export type ErrorCode = keyof typeof ERROR_CATALOGUE;

type Placeholders<S extends string> = S extends `${string}{${infer Name}}${infer Rest}`
  ? Name | Placeholders<Rest>
  : never;
/** The values that the message of a code needs. */
export type ErrorDetails<C extends ErrorCode> = {
  readonly [N in Placeholders<(typeof ERROR_CATALOGUE)[C]['message']>]: string | number;
};

/** A failure with a stable code. `details` holds the offending values by name; it never holds an embedding or a photo. */
export class FoilbankError<C extends ErrorCode = ErrorCode> extends Error {
  override readonly name = 'FoilbankError';
  readonly remedy: string;
  readonly status: GrpcStatus;
  readonly retryable: boolean;

  constructor(
    readonly code: C,
    readonly details: ErrorDetails<C>,
    options?: { cause?: unknown },
  ) {
    const entry: CatalogueEntry = ERROR_CATALOGUE[code];
    const values = details as Readonly<Record<string, string | number>>;
    super(
      entry.message.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name])),
      options,
    );
    this.remedy = entry.remedy;
    this.status = entry.status;
    this.retryable = entry.retryable ?? false;
  }
}

/** The message of anything thrown, for use as a `{reason}`. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
