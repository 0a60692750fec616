import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { FoilbankError, reasonOf } from '../errors.js';

/**
 * A model card says everything that is needed to run one ONNX file correctly. `docs/model-cards.md` describes every
 * field for the people who write one.
 */
const triple = z.tuple([z.number(), z.number(), z.number()]);
const size = z.int().min(8).max(4096);

const common = {
  schema: z.literal('foilbank.model-card/1'),
  name: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'use a-z, 0-9, dot, dash and underscore, at most 64'),
  version: z.string().min(1).max(32),
  /** The ONNX file: relative to the card, or inside the cache where `prepare` is given. */
  file: z.string().min(1),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'use 64 lower-case hexadecimal digits'),
  bytes: z.int().positive().optional(),
  licence: z.string().min(1),
  source: z.string().min(1),
  /** How `foilbank models prepare` makes the file out of published weights. Absent: the file is already there. */
  prepare: z
    .strictObject({ package: z.string().min(1), weights: z.string().min(1), converter: z.string().min(1) })
    .optional(),
  notes: z.record(z.string(), z.unknown()).optional(),
};

/** Pixels as the graph wants them: value = (pixel − mean) · scale, pixel in 0..255, channels in the order of `colour`. */
const imageInput = z.strictObject({
  name: z.string().min(1),
  layout: z.enum(['NCHW', 'NHWC']).default('NCHW'),
  width: size,
  height: size,
  colour: z.enum(['rgb', 'bgr']),
  mean: triple.default([0, 0, 0]),
  scale: z
    .union([
      z.number().positive(),
      z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]),
    ])
    .default(1),
});

/** Output values that the closed-form test picture `pattern-1` must give (their first ones, in memory order). */
const patternGolden = z.strictObject({
  input: z.literal('pattern-1'),
  outputs: z
    .record(z.string(), z.array(z.number()).min(1))
    .refine((outputs) => Object.keys(outputs).length > 0, 'name at least one output'),
  tolerance: z.number().positive().max(1),
});

const TEMPLATES = ['dlib68-150', 'arcface5-112'] as const;
const template = z.enum(TEMPLATES);

const detectorCard = z.strictObject({
  ...common,
  kind: z.literal('detector'),
  input: imageInput,
  outputs: z.strictObject({ boxes: z.string().min(1), scores: z.string().min(1) }),
  golden: patternGolden,
});

const landmarksCard = z.strictObject({
  ...common,
  kind: z.literal('landmarks'),
  input: imageInput,
  output: z.string().min(1),
  golden: patternGolden,
});

const embedderCard = z.strictObject({
  ...common,
  kind: z.literal('embedder'),
  input: imageInput,
  align: z.strictObject({ template }),
  output: z.strictObject({ name: z.string().min(1), dimension: z.int().min(2).max(4096) }),
  /** Similarity above which two faces count as one person: such candidates are never anybody's foils. */
  samePersonCeiling: z.number().min(-1).max(1),
  golden: patternGolden,
});

const fixedInput = z.strictObject({
  type: z.enum(['float32', 'int64']),
  values: z.array(z.number()).min(1),
  /** true: one row of `values` per sample, shape [N, values.length]; false: shape [values.length], or [] for one value. */
  perSample: z.boolean().default(true),
});

const generatorCard = z.strictObject({
  ...common,
  kind: z.literal('generator'),
  inputs: z.strictObject({ z: z.string().min(1), psi: z.string().min(1).optional() }),
  zDim: z.int().min(1).max(4096),
  fixedInputs: z.record(z.string(), fixedInput).default({}),
  output: z.string().min(1),
  image: z.strictObject({
    width: size,
    height: size,
    colour: z.enum(['rgb', 'bgr']).default('rgb'),
    range: z.tuple([z.number(), z.number()]).default([-1, 1]),
  }),
  psi: z
    .strictObject({
      default: z.number().min(0).max(2),
      min: z.number().min(0).default(0),
      max: z.number().max(2).default(1.5),
    })
    .refine((psi) => psi.min <= psi.default && psi.default <= psi.max, 'the default must lie from min to max')
    .default({ default: 1, min: 0, max: 1.5 }),
  /** Where the face lies: a similarity from canvas pixels to chip pixels (pixel centres at whole numbers), or detection. */
  align: z.discriminatedUnion('mode', [
    z.strictObject({
      mode: z.literal('fixed'),
      template,
      scale: z.number().positive(),
      rotation: z.number().default(0),
      translation: z.tuple([z.number(), z.number()]),
    }),
    z.strictObject({ mode: z.literal('detect') }),
  ]),
  /**
   * Absent: faces are embedded as they are generated. `mixed-quality/2`: half of them get the faults of bad photos first, low resolution, blur or
   * darkness; which and how strong is a function of the seed. Only with a fixed place of the face.
   */
  quality: z.literal('mixed-quality/2').optional(),
  /**
   * The image of the latent z_i = sin(1 + i), averaged to 8 × 8, channel by channel: 192 numbers. `chip`: the same of the aligned
   * chip, RGB in 0..255, which catches a wrong colour order, range or place.
   */
  golden: z.strictObject({
    latent: z.literal('sin'),
    psi: z.number(),
    pooled: z.array(z.number()).length(192),
    chip: z.array(z.number()).length(192).optional(),
    tolerance: z.number().positive().max(1),
  }),
});

const cardSchema = z.discriminatedUnion('kind', [detectorCard, landmarksCard, embedderCard, generatorCard]);

export type ModelCard = z.infer<typeof cardSchema>;
export type CardOf<K extends ModelCard['kind']> = Extract<ModelCard, { kind: K }>;
export type DetectorCard = CardOf<'detector'>;
export type LandmarksCard = CardOf<'landmarks'>;
export type EmbedderCard = CardOf<'embedder'>;
export type GeneratorCard = CardOf<'generator'>;
export type AlignTemplate = (typeof TEMPLATES)[number];

/** The JSON Schema of a card as people write it, for editors and for the docs. */
export const cardJsonSchema = (): object => z.toJSONSchema(cardSchema, { io: 'input' });

/** Checks a card's JSON. @throws FoilbankError FB_CARD_INVALID naming the first wrong field */
export function parseCard(json: unknown, where: string): ModelCard {
  const parsed = cardSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
  throw new FoilbankError('FB_CARD_INVALID', {
    card: where,
    field: [...(issue?.path ?? []), ...unknown].map(String).join('.') || '(the card itself)',
    reason: issue?.message ?? 'is not valid',
  });
}

/** @throws FoilbankError FB_CARD_UNREADABLE, FB_CARD_INVALID */
export async function readCard(file: string): Promise<ModelCard> {
  return parseCard(await readJson(file), file);
}

/** As `readCard`, but undefined for JSON that does not call itself a model card, such as a manifest in the same folder. */
export async function readIfCard(file: string): Promise<ModelCard | undefined> {
  const json = await readJson(file);
  const { schema } = (json ?? {}) as { schema?: unknown };
  return String(schema).startsWith('foilbank.model-card/') ? parseCard(json, file) : undefined;
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new FoilbankError('FB_CARD_UNREADABLE', { card: file, reason: reasonOf(error) }, { cause: error });
  }
}

/**
 * Hash of everything in a card that decides what its network gives: the graph and how it is fed and read. Name, licence, notes
 * and golden output do not count.
 */
export function fingerprint(card: ModelCard): string {
  const told = ['name', 'version', 'file', 'bytes', 'licence', 'source', 'prepare', 'notes', 'golden'];
  const deciding = Object.entries(card).filter(([field]) => !told.includes(field));
  return createHash('sha256')
    .update(JSON.stringify(sorted(Object.fromEntries(deciding))))
    .digest('hex');
}

/** The same value with the keys of its objects in one order. */
function sorted(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(sorted);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inside]) => [key, sorted(inside)]));
}

/** A card and the path of the graph it describes. */
export interface Model<C extends ModelCard = ModelCard> {
  readonly card: C;
  readonly graph: string;
}

/** Where the graph of a card lies: in the cache when it is made by `prepare`, else beside the card. */
export function graphPath(card: ModelCard, cardFile: string, cache: string): string {
  return card.prepare
    ? join(cache, `${card.sha256.slice(0, 16)}-${card.file}`)
    : join(dirname(cardFile), card.file);
}
