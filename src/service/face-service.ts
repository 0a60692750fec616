import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import { FoilbankError } from '../errors.js';
import { FaceReader, type Face as ReadFace } from '../faces/index.js';
import {
  CompareResponseSchema,
  EmbeddingSchema,
  EmbedResponseSchema,
  type Face,
  FaceSchema,
  type FaceService,
  type Photo,
} from '../gen/index.js';
import { findModel, fingerprint, InferencePool, type ModelFolders } from '../onnx/index.js';
import { DEFAULT_NETWORKS, leftToRight } from '../pipeline/index.js';
import { alignAll } from './align.js';
import type { Lookups } from './lookup.js';

/** Reads faces out of photos that are in memory only. Its threads and networks are opened by the first photo. */
export class PhotoReading {
  readonly #pool: InferencePool;
  readonly #readers = new Map<string, Promise<FaceReader>>();

  constructor(
    readonly folders: ModelFolders,
    threads: number,
  ) {
    this.#pool = new InferencePool({ threads });
  }

  /** @param embedder the card's name. @throws FoilbankError FB_BANK_EMBEDDER_DIFFERS, those of `findModel` and `FaceReader` */
  async read(
    bank: string,
    embedder: { name: string; cardSha256: string },
    photo: Photo,
    name: string,
  ): Promise<ReadFace> {
    const key = `${embedder.name} ${embedder.cardSha256}`;
    let opened = this.#readers.get(key);
    if (!opened) {
      opened = this.#open(bank, embedder);
      this.#readers.set(key, opened);
      opened.catch(() => this.#readers.delete(key));
    }
    const reader = await opened;
    const { image, face } = photo;
    if (face.case === 'whole') return reader.embedPhoto(image, { name, faceBox: 'whole' });
    if (face.case === undefined) return reader.embedPhoto(image, { name });
    const faces = leftToRight(await reader.detect(image, { name }));
    const wanted = faces[face.value - 1];
    if (!wanted)
      throw new FoilbankError('FB_FACE_INDEX', { photo: name, faces: faces.length, index: face.value });
    return { ...(await reader.embedPhoto(image, { name, faceBox: wanted.box })), score: wanted.score };
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  async #open(bank: string, { name, cardSha256 }: { name: string; cardSha256: string }): Promise<FaceReader> {
    const embedder = await findModel(this.folders, name, 'embedder');
    const actual = fingerprint(embedder.card);
    const told = (hash: string) => `${name} (${hash.slice(0, 12)})`;
    if (actual !== cardSha256)
      throw new FoilbankError('FB_BANK_EMBEDDER_DIFFERS', {
        ...{ bank, expected: told(cardSha256), actual: told(actual) },
      });
    const detector = await findModel(this.folders, DEFAULT_NETWORKS.detector, 'detector');
    const landmarks = await findModel(this.folders, DEFAULT_NETWORKS.landmarks, 'landmarks');
    return FaceReader.open(this.#pool, { detector, landmarks, embedder });
  }
}

export function faceService(lookups: Lookups, photos: PhotoReading): Partial<ServiceImpl<typeof FaceService>> {
  const read = (bank: string, asked: readonly Photo[]) => {
    const serving = lookups.holder(bank).hold();
    const { manifest } = serving.facts;
    const { embedder } = manifest.inputs;
    serving.release();
    return Promise.all(
      asked.map((photo, i) => photos.read(manifest.bank, embedder, photo, `photo ${i}`)),
    ).then((faces) => ({ faces: faces.map(faceOf), embedder: embedder.name }));
  };
  return {
    embed: async ({ bank, photos: asked }) => create(EmbedResponseSchema, await read(bank, asked)),
    compare: async (request, { signal }) => {
      // The validator saw to it that both are there.
      const { faces } = await read(request.lookup?.bank ?? '', [request.a!, request.b!]);
      const [a, b] = faces as [Face, Face];
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
