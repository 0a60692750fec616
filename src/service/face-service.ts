import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import { FoilbankError } from '../errors.js';
import { FaceReader, type Face as ReadFace } from '../faces/index.js';
import {
  CompareResponseSchema,
  DetectedFaceSchema,
  DetectResponseSchema,
  EmbeddingSchema,
  EmbedResponseSchema,
  type Face,
  FaceSchema,
  type FaceService,
  type Photo,
} from '../gen/index.js';
import { findModel, fingerprint, type InferencePool, type ModelFolders } from '../onnx/index.js';
import { DEFAULT_NETWORKS, leftToRight, webpOf } from '../pipeline/index.js';
import { alignAll } from './align.js';
import type { Lookups } from './lookup.js';

/** A bank, and the embedder that its candidates were embedded with. */
interface BankEmbedder {
  readonly bank: string;
  readonly name: string;
  readonly cardSha256: string;
}

/** Reads faces out of photos that are in memory only. Its networks are opened by the first photo. */
export class PhotoReading {
  readonly #readers = new Map<string, Promise<FaceReader>>();

  constructor(
    readonly pool: InferencePool,
    readonly folders: ModelFolders,
  ) {}

  /** Every face, left to right. @throws FoilbankError as `read` */
  async portray(embedder: BankEmbedder, image: Uint8Array) {
    const reader = await this.#reader(embedder);
    const portrayal = await reader.portray(image, { name: 'given' });
    return { ...portrayal, faces: leftToRight(portrayal.faces) };
  }

  /** @throws FoilbankError FB_BANK_EMBEDDER_DIFFERS, those of `findModel` and `FaceReader` */
  async read(embedder: BankEmbedder, photo: Photo, name: string): Promise<ReadFace> {
    const reader = await this.#reader(embedder);
    const { image, face } = photo;
    if (face.case === 'whole') return reader.embedPhoto(image, { name, faceBox: 'whole' });
    if (face.case === undefined) return reader.embedPhoto(image, { name });
    const faces = leftToRight(await reader.detect(image, { name }));
    const wanted = faces[face.value - 1];
    if (!wanted)
      throw new FoilbankError('FB_FACE_INDEX', { photo: name, faces: faces.length, index: face.value });
    return { ...(await reader.embedPhoto(image, { name, faceBox: wanted.box })), score: wanted.score };
  }

  #reader(embedder: BankEmbedder): Promise<FaceReader> {
    const key = `${embedder.name} ${embedder.cardSha256}`;
    const known = this.#readers.get(key);
    if (known) return known;
    const opened = this.#open(embedder);
    this.#readers.set(key, opened);
    opened.catch(() => this.#readers.delete(key));
    return opened;
  }

  async #open({ bank, name, cardSha256 }: BankEmbedder): Promise<FaceReader> {
    const embedder = await findModel(this.folders, name, 'embedder');
    const actual = fingerprint(embedder.card);
    const told = (hash: string) => `${name} (${hash.slice(0, 12)})`;
    if (actual !== cardSha256)
      throw new FoilbankError('FB_BANK_EMBEDDER_DIFFERS', {
        ...{ bank, expected: told(cardSha256), actual: told(actual) },
      });
    const detector = await findModel(this.folders, DEFAULT_NETWORKS.detector, 'detector');
    const landmarks = await findModel(this.folders, DEFAULT_NETWORKS.landmarks, 'landmarks');
    return FaceReader.open(this.pool, { detector, landmarks, embedder });
  }
}

export function faceService(lookups: Lookups, photos: PhotoReading): ServiceImpl<typeof FaceService> {
  const embedderOf = async (bank: string, version = ''): Promise<BankEmbedder> => {
    const serving = await lookups.holder(bank).take(version);
    const { manifest } = serving.facts;
    serving.release();
    return { bank: manifest.bank, ...manifest.inputs.embedder };
  };
  const read = (embedder: BankEmbedder, asked: readonly Photo[]) =>
    Promise.all(asked.map(async (photo, i) => faceOf(await photos.read(embedder, photo, `${i}`))));
  return {
    embed: async ({ bank, photos: asked }) => {
      const embedder = await embedderOf(bank);
      return create(EmbedResponseSchema, {
        embedder: embedder.name,
        faces: await read(embedder, asked),
      });
    },
    detect: async ({ bank, image }) => {
      const { width, height, faces } = await photos.portray(await embedderOf(bank), image);
      const found = faces.map(async ({ box, score, chip }) =>
        create(DetectedFaceSchema, { ...box, score, ...(chip ? { chip: await webpOf(chip) } : {}) }),
      );
      return create(DetectResponseSchema, { width, height, faces: await Promise.all(found) });
    },
    compare: async (request, { signal }) => {
      // The validator saw to it that both are there.
      const embedder = await embedderOf(request.lookup?.bank ?? '', request.lookup?.version);
      const [a, b] = (await read(embedder, [request.a!, request.b!])) as [Face, Face];
      const { lookup, operator, lambda, thresholdChoice } = request;
      const comparisons = {
        case: 'pairs' as const,
        value: { pairs: [{ a: a.embedding, b: b.embedding }] },
      };
      const asked = { lookup, operator, lambda, thresholdChoice, comparisons };
      const comparison = await alignAll(lookups, asked as Parameters<typeof alignAll>[1], signal);
      return create(CompareResponseSchema, { comparison, a, b });
    },
  };
}

function faceOf({ embedding, box, score, warnings }: ReadFace): Face {
  const packed = new Uint8Array(embedding.buffer, embedding.byteOffset, embedding.byteLength);
  return create(FaceSchema, {
    ...{ embedding: create(EmbeddingSchema, { packed }), ...box },
    ...(score === undefined ? {} : { score }),
    warnings: warnings.map(({ message }) => message),
  });
}
