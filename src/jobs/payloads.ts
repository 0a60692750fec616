import { z } from 'zod';
import { isBankName } from '../bank/index.js';
import { FoilbankError } from '../errors.js';
import type { BuildOptions, RefreshPlan } from '../pipeline/index.js';
import { OPERATORS } from '../scoring/index.js';

/**
 * What lies in Redis: small JSON, checked by whoever puts it there and again by whoever takes it out. A change that an
 * older worker could misread raises the version; a worker refuses what is newer than itself.
 */
export const PAYLOAD_VERSION = 1;

const bankName = z.string().refine(isBankName, 'it is not a bank name');
const whole = z.int().min(0);
const real = z.number();
const reference = z.strictObject({
  card: z.string().min(1).max(1024),
  fingerprint: z.string().min(1).max(128),
});
const references = z.strictObject({
  generator: reference,
  embedder: reference,
  detector: reference,
  landmarks: reference,
});

/** Their ranges are checked where they are resolved; here it matters that they are numbers and words at all. */
const options = z.strictObject({
  size: whole,
  firstSeed: whole,
  psi: real,
  chunkSize: whole,
  minimumScore: real,
  duplicateCeiling: real,
  minimumYield: real,
  engine: z.enum(['auto', 'exact', 'hnsw']),
  operator: z.enum(OPERATORS),
  neighbours: whole,
  lambda: real,
}) satisfies z.ZodType<BuildOptions>;

const names = z
  .strictObject({
    generator: reference.shape.card,
    embedder: reference.shape.card,
    detector: reference.shape.card,
    landmarks: reference.shape.card,
  })
  .partial();

const plan = z.strictObject({
  networks: references,
  options,
  epoch: whole,
  chunks: z.int().min(1),
  at: z.iso.datetime(),
}) satisfies z.ZodType<RefreshPlan>;

/** What is asked of a flow, the same from the command line, a schedule or the RPC. */
const request = z.strictObject({
  version: z.literal(PAYLOAD_VERSION),
  bank: bankName,
  networks: names,
  options: options.partial(),
  /** Publishes although nothing would change. */
  force: z.boolean().optional(),
  /** Gates that compare with the version in service are measured, but do not fail. */
  acceptShift: z.boolean().optional(),
  /** Versions to keep besides pinned ones. */
  keep: z.int().min(1).max(1000).optional(),
  /** Only the parts are made; nothing is published. */
  partsOnly: z.boolean().optional(),
});

/** How far a flow is, so that another worker can take it up. */
const state = z.strictObject({
  plan: plan.optional(),
  /** How often chunks were handed out, and how many were missing at the last time. */
  round: whole.optional(),
  missing: whole.optional(),
  /** Rounds that brought no part. */
  futile: whole.optional(),
  /** The last round whose failures were told. */
  told: whole.optional(),
});

const flow = request.extend({ state });

const chunk = z.strictObject({
  version: z.literal(PAYLOAD_VERSION),
  bank: bankName,
  networks: references,
  /** `chunkSize` seeds from `firstSeed`. */
  options: options.pick({
    psi: true,
    firstSeed: true,
    chunkSize: true,
    minimumScore: true,
    duplicateCeiling: true,
  }),
});

/** JSON has no `undefined`: what is optional is absent. */
type Json<T> = T extends object ? { [K in keyof T]: Json<Exclude<T[K], undefined>> } : T;

export type FlowRequest = Json<z.infer<typeof request>>;
export type FlowPayload = Json<z.infer<typeof flow>>;
export type ChunkPayload = Json<z.infer<typeof chunk>>;

const schemas = { request, flow, chunk };
type Kind = keyof typeof schemas;

/**
 * Checks a payload on either side of the queue.
 *
 * @throws FoilbankError FB_JOB_NEWER for one of a later release, FB_BANK_NAME_INVALID, FB_JOB_INVALID with the first field
 *   that is wrong
 */
export function checkPayload<K extends Kind>(kind: K, data: unknown): Json<z.infer<(typeof schemas)[K]>> {
  const version = (data as { version?: unknown } | null)?.version;
  if (typeof version === 'number' && version > PAYLOAD_VERSION)
    throw new FoilbankError('FB_JOB_NEWER', { kind, version, supported: PAYLOAD_VERSION });
  const parsed = schemas[kind].safeParse(data);
  if (parsed.success) return parsed.data as Json<z.infer<(typeof schemas)[K]>>;
  const issue = parsed.error.issues[0];
  const { bank } = (data ?? {}) as { bank?: unknown };
  if (issue?.path[0] === 'bank' && typeof bank === 'string')
    throw new FoilbankError('FB_BANK_NAME_INVALID', { name: JSON.stringify(bank) });
  throw new FoilbankError('FB_JOB_INVALID', {
    kind,
    field: issue?.path.map(String).join('.') || '(the payload itself)',
    reason: issue?.message ?? 'it does not fit',
  });
}
