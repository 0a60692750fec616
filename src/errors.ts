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
  | 'UNAUTHENTICATED'
  | 'PERMISSION_DENIED'
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
    remedy: 'Run the same command again; a build continues where it stopped.',
    status: 'CANCELLED',
    retryable: true,
  },
  FB_FILE_UNREADABLE: {
    message: '{file} cannot be read: {reason}',
    remedy: 'Check that the path exists and that this user may read it.',
    status: 'NOT_FOUND',
    // A network drive that is away for a while reads like that.
    retryable: true,
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
  // ── faces: photos, detection, embedding ─────────────────────────────────────────────────────────────────────
  FB_PHOTO_MISSING: {
    message: 'photo {photo} does not exist',
    remedy: 'Check the path.',
    status: 'NOT_FOUND',
  },
  FB_PHOTO_EMPTY: {
    message: 'photo {photo} has 0 bytes',
    remedy: 'Copy the file again from where it came.',
    status: 'INVALID_ARGUMENT',
  },
  FB_PHOTO_NOT_AN_IMAGE: {
    message: 'photo {photo} is no JPEG, PNG, WebP or AVIF image',
    remedy: 'Give a photo in one of these formats.',
    status: 'INVALID_ARGUMENT',
  },
  FB_PHOTO_DAMAGED: {
    message: 'photo {photo} is truncated or damaged: {reason}',
    remedy: 'Copy the file again from where it came, or save it anew with an image editor.',
    status: 'INVALID_ARGUMENT',
  },
  FB_PHOTO_TOO_LARGE: {
    message: 'photo {photo} has {actual}, at most {limit} are read',
    remedy: 'Scale the photo down, or raise the limit (maxPixels) if you trust where it comes from.',
    status: 'RESOURCE_EXHAUSTED',
  },
  FB_NO_FACE: {
    message: 'no face was found in photo {photo}',
    remedy:
      'Use a photo with a face that is at least 40 pixels wide and turned to the camera; for a crop that is all face, say so (--face whole, --whole, or its box).',
    status: 'FAILED_PRECONDITION',
  },
  FB_FACE_UNALIGNABLE: {
    message: 'the face in photo {photo} cannot be aligned: its landmarks fall on one point',
    remedy: 'Use another photo; with a landmark network of your own, check its card.',
    status: 'FAILED_PRECONDITION',
  },
  // ── bank: candidates, manifest, store ───────────────────────────────────────────────────────────────────────
  FB_BANK_NAME_INVALID: {
    message: 'a bank cannot be named {name}',
    remedy: 'Use a-z, 0-9, dot, dash and underscore, at most 64, beginning with a letter or digit.',
    status: 'INVALID_ARGUMENT',
  },
  FB_BANK_NOT_FOUND: {
    message: 'store {store} holds no published bank named {bank}',
    remedy: 'Check the name with `foilbank bank list`, or build it with `foilbank bank build`.',
    status: 'NOT_FOUND',
  },
  FB_BANK_VERSION_NOT_FOUND: {
    message: 'bank {bank} has no version {version}; it has {versions}',
    remedy: 'Give a version that `foilbank bank list` shows.',
    status: 'NOT_FOUND',
  },
  FB_BANK_VERSION_REMOVED: {
    message: 'version {version} of bank {bank} was removed when the bank was pruned; it has {versions}',
    remedy: 'Give a version that `foilbank bank list` shows; `foilbank bank pin` keeps one for good.',
    status: 'NOT_FOUND',
  },
  FB_BANK_CORRUPT: {
    message: 'bank file {file} is damaged: {reason}',
    remedy:
      'Run `foilbank bank verify`, then `foilbank bank rollback` to a whole version, or `foilbank bank build --force`.',
    status: 'DATA_LOSS',
  },
  FB_BANK_FORMAT_NEWER: {
    message: 'bank file {file} has format {format}; this release reads up to {supported}',
    remedy: 'Update foilbank, or build the bank again with this release.',
    status: 'FAILED_PRECONDITION',
  },
  FB_BANK_DRAFT_INVALID: {
    message: 'bank {bank} cannot be published, field {field}: {reason}',
    remedy: 'Correct the named field; docs/bank-format.md describes every one.',
    status: 'INVALID_ARGUMENT',
  },
  FB_BANK_BUSY: {
    message: 'bank {bank}: another publication finished while version {version} was being written',
    remedy: 'Publish again: it then follows the newer version.',
    status: 'FAILED_PRECONDITION',
    retryable: true,
  },
  FB_STORE_FULL: {
    message: 'no space left in store {store} while writing {file}',
    remedy: 'Free some space and run the same command again: it continues where it stopped.',
    status: 'RESOURCE_EXHAUSTED',
    retryable: true,
  },
  FB_STORE_LOCATION_INVALID: {
    message: 'store {location} cannot be opened: {reason}',
    remedy: 'Give a directory, or s3://bucket/prefix?region=…&endpoint=…&pathStyle=1.',
    status: 'INVALID_ARGUMENT',
  },
  FB_STORE_UNREACHABLE: {
    message: 'store {store} did not answer for {file}: {reason}',
    remedy:
      'Check the network and the endpoint, or whether the drive is mounted, then run the same command again: it continues where it stopped.',
    status: 'UNAVAILABLE',
    retryable: true,
  },
  FB_STORE_REFUSED: {
    message: 'store {store} refused {file}: {reason}',
    remedy: 'Check bucket, region, credentials and their rights to get, put, list and delete.',
    status: 'FAILED_PRECONDITION',
  },
  // ── vectors and scoring ─────────────────────────────────────────────────────────────────────────────────────
  FB_EMBEDDING_LENGTH: {
    message: '{what}: {actual} values are not rows of {expected}',
    remedy: 'Give embeddings of the embedder that the bank was built with; its card says their dimension.',
    status: 'INVALID_ARGUMENT',
  },
  FB_EMBEDDING_NOT_FINITE: {
    message: '{what}, row {row}: it holds a NaN or an infinity',
    remedy: 'Leave the row out, or embed its photo again.',
    status: 'INVALID_ARGUMENT',
  },
  FB_EMBEDDING_ZERO: {
    message: '{what}, row {row}: its length is zero, so it has no direction',
    remedy: 'Leave the row out, or embed its photo again.',
    status: 'INVALID_ARGUMENT',
  },
  FB_EMBEDDING_NOT_UNIT: {
    message: '{what}, row {row}: its length is {norm}, not 1',
    remedy: 'Normalise the embeddings before they are stored.',
    status: 'INVALID_ARGUMENT',
  },
  FB_NPY_INVALID: {
    message: '{what} is not a readable .npy array: {reason}',
    remedy: 'Save a 1-D or 2-D array of float32 or float64 in C order with numpy.save.',
    status: 'INVALID_ARGUMENT',
  },
  FB_SUPPORT_EMPTY: {
    message: 'operator {operator}: a support set has no eligible candidate, so there is nothing to align by',
    remedy: 'Exclude fewer identities, use a larger bank, or use the operator none.',
    status: 'FAILED_PRECONDITION',
  },
  // ── neighbours ──────────────────────────────────────────────────────────────────────────────────────────────
  FB_CANDIDATES_EMPTY: {
    message: 'there is no candidate to search',
    remedy: 'Build a bank of at least one candidate.',
    status: 'FAILED_PRECONDITION',
  },
  FB_INDEX_HASH_MISMATCH: {
    message: 'index {file} hashes to {actual}, its manifest says {expected}',
    remedy:
      'The file is damaged or not the one published: run `foilbank bank verify`, then roll back or rebuild.',
    status: 'DATA_LOSS',
  },
  FB_INDEX_MISMATCH: {
    message: 'index {file}: {field} is {actual}, {expected} is expected',
    remedy: 'The index belongs to another bank: rebuild the bank.',
    status: 'DATA_LOSS',
  },
  FB_INDEX_FAILED: {
    message: 'the index cannot {action}: {reason}',
    remedy: 'Check memory and free space, then run again; use the exact engine if it persists.',
    status: 'INTERNAL',
  },
  // ── pipeline ────────────────────────────────────────────────────────────────────────────────────────────────
  FB_YIELD_TOO_LOW: {
    message: 'of {generated} faces from seed {firstSeed} only {accepted} passed the gates',
    remedy:
      'Lower --min-score, raise --psi or --duplicate-ceiling, or look at `foilbank bank sheet`: the generator may not make faces.',
    status: 'FAILED_PRECONDITION',
  },
  FB_GATE_FAILED: {
    message: 'bank {bank} is not published: gate {gate} measured {value}, the limit is {limit}',
    remedy:
      'The version in service stays. Look at what changed (docs/refresh-gates.md says what each gate means); where it is wanted, refresh with --accept-shift. For an index, raise its parameters or take --engine exact.',
    status: 'FAILED_PRECONDITION',
  },
  FB_PAIRS_INVALID: {
    message: 'labelled pairs {file}, row {row}: {reason}',
    remedy:
      'Give lines of a,b,same (two photo names and 1 or 0) below that header; docs/refresh-gates.md shows one.',
    status: 'INVALID_ARGUMENT',
  },
  FB_PAIRS_TOO_FEW: {
    message:
      'labelled pairs {file}: {genuine} genuine and {impostor} impostor pairs have two readable faces, at least one of each is needed',
    remedy: 'Add pairs of both kinds; for photos that are crops all of one face, say so.',
    status: 'FAILED_PRECONDITION',
  },
  FB_CALIBRATION_TOO_FEW: {
    message:
      'a calibration needs {needed} different faces; {given} were given, {different} of them different',
    remedy: 'Give photos of more people; a few hundred are better, a thousand do best.',
    status: 'FAILED_PRECONDITION',
  },
  FB_LEARN_TOO_FEW: {
    message:
      'bank {bank} has {candidates} candidates; below {needed} a lookup is quicker than what learns it',
    remedy: 'Look it up (--estimator virtual), or build a larger bank.',
    status: 'FAILED_PRECONDITION',
  },
  FB_LEARNED_ABSENT: {
    message: 'bank {bank}, version {version}, has no learned estimator for K {k}: {reason}',
    remedy: 'Run `foilbank learn`, or ask for the estimator virtual.',
    status: 'FAILED_PRECONDITION',
  },
  FB_BANK_EMBEDDER_DIFFERS: {
    message: 'bank {bank} was made with embedder {expected}, not with {actual}',
    remedy: "Give the bank's own embedder with --embedder, or build a bank for this one.",
    status: 'FAILED_PRECONDITION',
  },
  FB_BANK_GENERATOR_DIFFERS: {
    message:
      'bank {bank} was made with generator {expected}, the card names {actual}: its seeds would give other faces',
    remedy: 'Give the card of the generator that the bank was made with.',
    status: 'FAILED_PRECONDITION',
  },
  FB_FACE_INDEX: {
    message: '{photo} has {faces} faces, face {index} was asked for',
    remedy: 'Faces are numbered from 1, from left to right; leave --face away to take the largest.',
    status: 'INVALID_ARGUMENT',
  },
  // ── evaluation ──────────────────────────────────────────────────────────────────────────────────────────────
  FB_IDENTITIES_TOO_FEW: {
    message:
      '{identities} identities give {genuine} genuine and {impostor} impostor pairs, at least one of each is needed',
    remedy: 'Give photos of two people or more, and two photos or more of one of them.',
    status: 'FAILED_PRECONDITION',
  },
  FB_TUNING_TOO_FEW: {
    message:
      '{people} people have a pair of photos of their own, at least {needed} are needed: some choose, the others judge',
    remedy: 'Give two photos or more of more people, or keep what the bank recommends.',
    status: 'FAILED_PRECONDITION',
  },
  FB_PHOTOS_NONE: {
    message: 'no JPEG, PNG, WebP or AVIF file is in {folder}',
    remedy: 'Give the folder that holds the photos, or one folder a person.',
    status: 'NOT_FOUND',
  },
  FB_FAR_TOO_SMALL: {
    message: 'false accept rate {far}: {impostors} impostor pairs show none below {smallest}',
    remedy: 'Ask for a larger rate, or give more photos of more people.',
    status: 'FAILED_PRECONDITION',
  },
  FB_LABELS_INVALID: {
    message: 'labels {file}: {reason}',
    remedy:
      'Give one label a line in the order of the embeddings, or lines of name,group; `foilbank evaluate --help` shows both.',
    status: 'INVALID_ARGUMENT',
  },
  FB_LABELS_CONTRADICT: {
    message: 'labels {file}: {name} is labelled {first} and {second}',
    remedy: 'Keep the label that is right.',
    status: 'INVALID_ARGUMENT',
  },
  // ── jobs ────────────────────────────────────────────────────────────────────────────────────────────────────
  FB_JOB_INVALID: {
    message: 'payload of a {kind} job, field {field}: {reason}',
    remedy:
      'It is kept among the failed jobs: `foilbank jobs show` prints it. Enqueue it anew with the command line.',
    status: 'INVALID_ARGUMENT',
  },
  FB_JOB_NEWER: {
    message: 'payload of a {kind} job has version {version}, this release reads up to {supported}',
    remedy: 'Update this worker, then `foilbank jobs retry` the job.',
    status: 'FAILED_PRECONDITION',
  },
  FB_REDIS_UNSET: {
    message: 'REDIS_URL is not set, so there is no queue',
    remedy:
      'Set REDIS_URL=redis://host:6379. Without it `foilbank enqueue` does the work in its own process.',
    status: 'FAILED_PRECONDITION',
  },
  FB_REDIS_URL_INVALID: {
    message: 'REDIS_URL: {reason}',
    remedy:
      'Give redis://host:6379, or rediss://user:password@host:6380/0 with TLS; special characters percent-encoded.',
    status: 'INVALID_ARGUMENT',
  },
  FB_REDIS_UNREACHABLE: {
    message: 'Redis at {where} does not answer: {reason}',
    remedy: 'Start it, or correct REDIS_URL.',
    status: 'UNAVAILABLE',
    retryable: true,
  },
  FB_REDIS_REFUSED: {
    message: 'Redis at {where} refuses: {reason}',
    remedy:
      'Correct user and password in REDIS_URL; docs/operations.md lists the rights that the queues need.',
    status: 'FAILED_PRECONDITION',
  },
  FB_REDIS_TOO_OLD: {
    message: 'Redis at {where} is version {version}; at least {wanted} is needed',
    remedy: 'Update Redis.',
    status: 'FAILED_PRECONDITION',
  },
  FB_JOB_NOT_FOUND: {
    message: 'there is no refresh {id}',
    remedy: '`foilbank jobs list` shows those that are known; finished ones are kept for a month.',
    status: 'NOT_FOUND',
  },
  FB_JOB_STATE: {
    message: 'refresh {id} is {state}, not {wanted}',
    remedy: '`foilbank jobs show` tells how far it is.',
    status: 'FAILED_PRECONDITION',
  },
  FB_BANK_GONE: {
    message: 'store {store} holds no bank {bank}, whose version {version} was published by a refresh',
    remedy:
      'Mount the drive or correct FOILBANK_STORE, then `foilbank jobs retry` it. If the bank was removed on purpose, `foilbank bank build` makes its first version.',
    status: 'FAILED_PRECONDITION',
    // The drive may be on its way.
    retryable: true,
  },
  FB_PORT_UNAVAILABLE: {
    message: 'port {port} of {host} cannot be listened on: {reason}',
    remedy: 'Give another port (0 takes a free one), or end what holds it.',
    status: 'FAILED_PRECONDITION',
  },
  FB_SCHEDULE_INVALID: {
    message: 'schedule {pattern} in time zone {timeZone}: {reason}',
    remedy: 'Give five cron fields and an IANA time zone, as in "30 3 * * *" and Europe/Berlin.',
    status: 'INVALID_ARGUMENT',
  },
  FB_SCHEDULE_NOT_FOUND: {
    message: 'no refresh of bank {bank} is scheduled',
    remedy: '`foilbank schedule list` shows those that are.',
    status: 'NOT_FOUND',
  },
  FB_CHUNKS_FAILED: {
    message: 'refresh of bank {bank}: {chunks} chunks failed for good, among them {first}: {reason}',
    remedy:
      'The version in service stays. Mend the cause, then `foilbank jobs retry`: only what is missing is made.',
    status: 'FAILED_PRECONDITION',
    retryable: true,
  },
  FB_PARTS_MISSING: {
    message: 'refresh of bank {bank}: workers finished {parts} parts that are not in the store',
    remedy: 'Give workers of both queues the same FOILBANK_STORE; a folder must be one that all of them see.',
    status: 'FAILED_PRECONDITION',
  },
  FB_JOB_NETWORK_DIFFERS: {
    message: "the job's {kind} {card} has fingerprint {expected}, this machine's has {actual}",
    remedy: 'Give every worker the same model cards and files; `foilbank models list` shows them.',
    status: 'FAILED_PRECONDITION',
  },
  // ── service ─────────────────────────────────────────────────────────────────────────────────────────────────
  FB_REQUEST_INVALID: {
    message: 'request, field {field}: {reason}',
    remedy: 'Correct the field; the contract in proto/ and docs/service.md say what it takes.',
    status: 'INVALID_ARGUMENT',
  },
  FB_EMBEDDING_BYTES: {
    message: 'embedding {row}: {bytes} bytes are no whole number of float32 values',
    remedy: 'Send 4 bytes a value, little-endian.',
    status: 'INVALID_ARGUMENT',
  },
  FB_LIMIT: {
    message: 'the request asks for {actual} {what}, this server takes {limit}',
    remedy: 'Ask for less at once, in several requests; the operator can raise the limit.',
    status: 'RESOURCE_EXHAUSTED',
  },
  FB_OVERLOADED: {
    message: 'too much at once: this server takes {limit} {what}',
    remedy: 'Try again after a moment, with fewer requests at a time.',
    status: 'RESOURCE_EXHAUSTED',
    retryable: true,
  },
  FB_BANK_NOT_SERVED: {
    message: 'bank {bank} is not served here; served are {banks}',
    remedy: 'Name one of these; the operator can serve others (`foilbank serve --banks`).',
    status: 'NOT_FOUND',
  },
  FB_BANK_UNREADY: {
    message: 'bank {bank} does not serve yet: {reason}',
    remedy: 'Try again after a moment; /readyz says when it serves.',
    status: 'UNAVAILABLE',
    retryable: true,
  },
  FB_SEED_UNKNOWN: {
    message: 'bank {bank}, version {version}, has no candidate of seed {seed}',
    remedy: 'Ask for pictures of candidates that GalleryService.ListCandidates or FindNeighbors named.',
    status: 'NOT_FOUND',
  },
  FB_TYPICAL_UNKNOWN: {
    message:
      'operator {operator} has no typical r and σ to go by: a bank has them for the K that it recommends',
    remedy:
      'Ask with the K that the bank recommends, or by standardise. A bank made by an earlier version has none: refresh, calibrate or tune it.',
    status: 'FAILED_PRECONDITION',
  },
  FB_THRESHOLD_UNKNOWN: {
    message: 'bank {bank}, version {version}, has no threshold named {preset}; it has {known}',
    remedy:
      'Give a threshold as a number; only calibrated banks have named ones, for their own operator and K.',
    status: 'FAILED_PRECONDITION',
  },
  FB_KEY_REQUIRED: {
    message: 'no API key was given',
    remedy: 'Send the header "authorization: Bearer <key>"; `foilbank keys create` makes keys.',
    status: 'UNAUTHENTICATED',
  },
  FB_KEY_INVALID: {
    message: 'the API key is not known',
    remedy: 'It was mistyped or revoked: use another one.',
    status: 'UNAUTHENTICATED',
  },
  FB_KEY_EXPIRED: {
    message: 'API key {id} expired at {at}',
    remedy: 'Ask the operator for a new one (`foilbank keys create`).',
    status: 'UNAUTHENTICATED',
  },
  FB_SCOPE_MISSING: {
    message: 'API key {id} lacks scope {scope}',
    remedy: 'Use a key that was created with this scope.',
    status: 'PERMISSION_DENIED',
  },
  FB_RATE_LIMITED: {
    message: 'API key {id} may make {rate} requests a second',
    remedy: 'Slow down, or gather embeddings into fewer requests.',
    status: 'RESOURCE_EXHAUSTED',
    retryable: true,
  },
  FB_SESSION_ENDED: {
    message: 'there is no such session, or it has ended',
    remedy: 'Sign in with an API key; programs send the header "authorization: Bearer <key>" instead.',
    status: 'UNAUTHENTICATED',
  },
  FB_SIGN_IN_LIMITED: {
    message: 'too many wrong keys came from {address}',
    remedy: 'Try again after a minute, with the right key.',
    status: 'RESOURCE_EXHAUSTED',
    retryable: true,
  },
  FB_ORIGIN_REFUSED: {
    message: "the request comes from {origin}, not from this server's own pages",
    remedy:
      'Open the studio by the address that the server is reached at (a proxy must pass the Host header on); programs send a key instead.',
    status: 'PERMISSION_DENIED',
  },
  FB_KEYS_MISSING: {
    message: 'there are no API keys yet: {file} does not exist',
    remedy:
      'Make one with `foilbank keys create`, or try the server on this machine alone with `foilbank serve --no-auth`.',
    status: 'FAILED_PRECONDITION',
  },
  FB_KEYS_INVALID: {
    message: 'key file {file}: {reason}',
    remedy: 'Restore it, or remove it and create keys anew (`foilbank keys create`).',
    status: 'FAILED_PRECONDITION',
  },
  FB_KEY_NOT_FOUND: {
    message: 'key file {file} has no key {id}',
    remedy: '`foilbank keys list` shows those that there are.',
    status: 'NOT_FOUND',
  },
  FB_AUTH_NEEDED: {
    message: 'without authentication only loopback is served, not {host}',
    remedy: 'Create keys (`foilbank keys create`) and leave --no-auth away, or serve 127.0.0.1.',
    status: 'FAILED_PRECONDITION',
  },
  FB_TLS_INVALID: {
    message: 'TLS cannot be set up: {reason}',
    remedy: 'Give a PEM certificate and the key that belongs to it.',
    status: 'FAILED_PRECONDITION',
  },
  FB_STOPPING: {
    message: 'the server is stopping',
    remedy: 'Try again: another one, or this one anew, will answer.',
    status: 'UNAVAILABLE',
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

/** {@link reasonOf}, and what is to be done about it where that is known. */
export function adviceOf(error: unknown): string {
  return error instanceof FoilbankError ? `${error.message}. ${error.remedy}` : reasonOf(error);
}

/** @param what was cancelled, for the message. @throws FoilbankError FB_CANCELLED when the signal is aborted */
export function throwIfCancelled(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw new FoilbankError('FB_CANCELLED', { what });
}
