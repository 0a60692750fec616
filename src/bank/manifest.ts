import { z } from 'zod';
import { FoilbankError, reasonOf } from '../errors.js';
import { canonicalJson } from './canonical.js';

/**
 * What a bank version is: its inputs, counts, parameters, gate results, and the hash of every file.
 * `docs/bank-format.md` describes every field for the people who read one.
 */
const FORMAT = 'foilbank.bank/';
const NEWEST_FORMAT = 1;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'use 64 lower-case hexadecimal digits');
const count = z.int().min(0);
const similarity = z.number().min(-1).max(1);

/** `cardSha256` covers the graph and how its card says to feed and read it: the same graph fed otherwise is another network. */
const network = z.strictObject({
  name: z.string().min(1),
  sha256,
  cardSha256: sha256,
  licence: z.string().min(1),
});

const inputs = z.strictObject({
  generator: network,
  embedder: network.extend({ dimension: z.int().min(1).max(4096), samePersonCeiling: similarity }),
  /** Absent where no detector scored the faces. */
  detector: network.optional(),
  psi: z.number().min(0),
  seeds: z.strictObject({
    /** Which nightly draw of seeds this is; 0 for a bank built by hand. */
    epoch: count,
    first: count,
    count: z.int().min(1),
  }),
  /** Seeds a chunk: batches are cut the same way inside it, so it decides the low bits. */
  chunkSize: z.int().min(1),
  gates: z.strictObject({
    /** Lowest detector score accepted. */
    minimumScore: z.number().min(0).max(1),
    /** Highest similarity to an accepted candidate. */
    duplicateCeiling: similarity,
  }),
});

const counts = z.strictObject({
  generated: count,
  accepted: z.int().min(1),
  rejected: z.record(z.string().min(1), count),
  /** Of the accepted, vectors drawn from a calibration's mixture. Absent: none. */
  drawn: z.int().min(1).optional(),
});

const rate = z.number().min(0).max(1);

/** What labelled photos said: a refresh keeps it, a calibration does not. */
const tuning = z.strictObject({
  /** The false accept rate that operator, K and λ were chosen for. */
  falseAcceptRate: z.number().gt(0).lt(1),
  photos: z.int().min(2),
  people: z.int().min(2),
  /** True accept rates at it, raw and by the operator chosen, of people who had no part in the choice. */
  raw: rate,
  aligned: rate,
  /** 95 % interval of aligned − raw. */
  gain: z.tuple([z.number(), z.number()]),
  /** Why the operator is recommended, or why none is. */
  reason: z.string().min(1),
});

/** Model card of the network of the estimator `learned`, whose hash is among the files'. */
const learned = z.strictObject({
  estimator: z.string().min(1),
  /** The K at which it imitates the bank: at another one it is not asked. */
  neighbours: z.int().min(1),
  /** Candidates of the bank that it imitates. */
  candidates: z.int().min(1),
  /** What, besides the candidates, was asked of the bank: draws of the calibration's mixture, or of one Gaussian. */
  source: z.enum(['mixture', 'gaussian']),
  /** Queries that it learned from, a tenth of them held out. */
  lessons: z.int().min(1),
  /** Steps of learning until what was kept, and how many there might have been. */
  steps: z.int().min(1),
  mostSteps: z.int().min(1),
  /** Widths of the hidden layers. */
  hidden: z.array(z.int().min(1)),
  /** Root mean square errors on held-out queries, in standard deviations of r and of log σ. */
  errorOfR: z.number().min(0),
  errorOfLogSigma: z.number().min(0),
  /** A query at a greater distance is none that it learned from, and the bank is looked up. */
  distanceLimit: z.number().gt(0),
});

const parameters = z.strictObject({
  operator: z.string().min(1),
  /** K, the size of a support set. */
  neighbours: z.int().min(1),
  /** λ of the operator `shift`. */
  lambda: z.number(),
  /** Mean r and geometric mean σ of the bank's own faces at that K, of which `fuse` makes use. Absent: made by an earlier version. */
  typical: z.strictObject({ r: similarity, sigma: z.number().gt(0) }).optional(),
  engine: z.enum(['exact', 'hnsw']),
  /** What the engine was built with, by its own names. */
  index: z.record(z.string(), z.union([z.number(), z.string(), z.boolean()])),
  calibration: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('none') }),
    z.strictObject({
      /** What candidates were moved to: mean and covariance alone, or a mixture too. */
      kind: z.enum(['moments', 'mixture']),
      /** Different embeddings of real photos that it was gathered from. */
      samples: z.int().min(1),
      components: count,
      shrinkage: z.number().min(0),
      /** K by candidates: a bank that carries the calibration over keeps it. */
      neighboursShare: z.number().gt(0).max(1),
      /** A pair is a match when its aligned score, by the operator and K of the parameters, is greater. */
      thresholds: z.array(z.strictObject({ falseMatchRate: z.number().gt(0).lt(1), threshold: z.number() })),
      /** Why it is as it is. */
      reason: z.string().min(1),
    }),
  ]),
  /** Absent: nobody asked labelled photos. */
  tuning: tuning.optional(),
  /** Absent: nothing was learned. */
  learned: learned.optional(),
});

const gateResult = z.strictObject({
  gate: z.string().min(1),
  passed: z.boolean(),
  value: z.number(),
  limit: z.number(),
});

const file = z.strictObject({
  path: z.string().regex(/^[a-z0-9][a-z0-9._-]*(\/[a-z0-9][a-z0-9._-]*)*$/, 'use a path below the version'),
  bytes: count,
  sha256,
});

const manifestSchema = z
  .strictObject({
    format: z.literal(`${FORMAT}${NEWEST_FORMAT}`),
    bank: z.string().min(1),
    version: z.string().regex(/^\d{6,}$/),
    createdAt: z.iso.datetime(),
    inputs,
    counts,
    parameters,
    gateResults: z.array(gateResult),
    files: z.array(file).min(1),
  })
  .refine((m) => m.counts.generated === facesOf(m.counts) + sum(Object.values(m.counts.rejected)), {
    path: ['counts', 'generated'],
    message: 'it is not accepted plus rejected',
  })
  .refine((m) => m.files.every((f, i) => i === 0 || (m.files[i - 1]?.path ?? '') < f.path), {
    path: ['files'],
    message: 'paths must ascend and come once',
  });

export type Manifest = z.infer<typeof manifestSchema>;
export type ManifestFile = Manifest['files'][number];
/** What the publisher must say; the rest is found out while publishing. */
export type ManifestDraft = Pick<Manifest, 'inputs' | 'counts' | 'parameters' | 'gateResults'>;

/** Accepted candidates that a picture shows. */
export const facesOf = ({ accepted, drawn = 0 }: z.infer<typeof counts>): number => accepted - drawn;

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** The file's text: a pure function of the content. */
export function encodeManifest(manifest: Manifest): string {
  return canonicalJson(manifest);
}

/** The first field that is wrong, if any. */
export function manifestFault(candidate: unknown): { field: string; reason: string } | undefined {
  const issue = manifestSchema.safeParse(candidate).error?.issues[0];
  if (!issue) return undefined;
  return { field: issue.path.map(String).join('.') || '(the manifest itself)', reason: issue.message };
}

/**
 * @param where the file's name, for messages
 * @throws FoilbankError FB_BANK_FORMAT_NEWER, FB_BANK_CORRUPT
 */
export function decodeManifest(text: string, where: string): Manifest {
  const corrupt = (reason: string, cause?: unknown) =>
    new FoilbankError('FB_BANK_CORRUPT', { file: where, reason }, { cause });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw corrupt(reasonOf(error), error);
  }
  const format = String((json as { format?: unknown } | null)?.format);
  const number = format.startsWith(FORMAT) ? Number(format.slice(FORMAT.length)) : Number.NaN;
  if (number > NEWEST_FORMAT)
    throw new FoilbankError('FB_BANK_FORMAT_NEWER', {
      file: where,
      format,
      supported: `${FORMAT}${NEWEST_FORMAT}`,
    });
  const parsed = manifestSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const fault = manifestFault(json);
  throw corrupt(`field ${fault?.field}: ${fault?.reason}`);
}
