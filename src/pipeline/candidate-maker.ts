import { FoilbankError } from '../errors.js';
import {
  betweenTemplates,
  compose,
  Embedder,
  FaceReader,
  FaceScorer,
  ImageChips,
  similarity,
} from '../faces/index.js';
import type {
  DetectorCard,
  EmbedderCard,
  GeneratorCard,
  InferencePool,
  LandmarksCard,
  Model,
} from '../onnx/index.js';
import { Generator, type ImageBatch, PixelConverter } from '../synthesis/index.js';
import { wornImages } from './worn-images.js';

/** The networks that a bank is made with and photos are read with. */
export interface Networks {
  readonly generator: Model<GeneratorCard>;
  readonly embedder: Model<EmbedderCard>;
  readonly detector: Model<DetectorCard>;
  readonly landmarks: Model<LandmarksCard>;
}

/** What became of the images of a batch. */
export interface MadeFaces {
  /** [n] detector scores in 0..1. */
  readonly scores: ArrayLike<number>;
  /** Unit embedding of each image, undefined where no face was found. */
  readonly embeddings: readonly (Float32Array | undefined)[];
}

/** Generated images → scored embeddings. */
type Reader = (images: ImageBatch, minimumScore: number, seeds: readonly number[]) => Promise<MadeFaces>;

/** Seeds → faces: generator, chips, embedder and detector over one pool. */
export class CandidateMaker {
  private constructor(
    readonly generator: Generator,
    private readonly read: Reader,
  ) {}

  /** @throws FoilbankError of `loadModel`, FB_CARD_INVALID, FB_OPTION_INVALID */
  static async open(pool: InferencePool, networks: Networks): Promise<CandidateMaker> {
    const generator = await Generator.open(pool, networks.generator);
    const { mode } = generator.card.align;
    const read = mode === 'fixed' ? await cuttingReader(pool, networks) : await findingReader(pool, networks);
    return new CandidateMaker(generator, read);
  }

  /**
   * @param seeds 1..batch whole numbers in 0..2^53 − 1
   * @param minimumScore a detector that has to look for the faces passes over those with a lower score
   */
  async make(seeds: readonly number[], psi: number, minimumScore: number): Promise<MadeFaces> {
    return this.read(await this.generator.generate(seeds, psi), minimumScore, seeds);
  }
}

/** For generators that put every face in one place: chips are cut there, and the detector only scores. */
async function cuttingReader(pool: InferencePool, networks: Networks): Promise<Reader> {
  const { align, image, quality } = networks.generator.card;
  if (align.mode !== 'fixed') throw new TypeError('the card has no fixed place');
  const { input, align: wanted } = networks.embedder.card;
  const placed = similarity(align.scale, align.rotation, ...align.translation);
  const toChip = compose(betweenTemplates(align.template, wanted.template), placed);
  const [chips, embedder, scorer, pixels] = await Promise.all([
    ImageChips.open(pool, input, image, toChip),
    Embedder.open(pool, networks.embedder),
    FaceScorer.open(pool, networks.detector, image),
    quality && PixelConverter.open(pool, networks.generator.card),
  ]);
  // The chip is the face, as it is of photos that one face fills.
  const faceSide = input.width / Math.hypot(toChip[0], toChip[3]);
  return async (batch, _, seeds) => {
    const { images, count } = batch;
    // A bad photo has a face all the same: the detector scores it as it was.
    const seen = pixels ? wornImages(pixels, batch, seeds, image, faceSide) : Promise.resolve(images);
    const [scores, embeddings] = await Promise.all([
      scorer.score(images),
      seen.then((shown) => chips.cut(shown)).then((cut) => embedder.embed(cut, 'a generated face')),
    ]);
    return { scores, embeddings: Array.from({ length: count }, (_, i) => embeddings.row(i)) };
  };
}

/** For all others: each image is read like a photo. */
async function findingReader(pool: InferencePool, networks: Networks): Promise<Reader> {
  const { name, quality } = networks.generator.card;
  if (quality)
    throw new FoilbankError('FB_CARD_INVALID', {
      ...{ card: name, field: 'quality', reason: 'only a generator with a fixed place of the face has one' },
    });
  const [reader, pixels] = await Promise.all([
    FaceReader.open(pool, networks),
    PixelConverter.open(pool, networks.generator.card),
  ]);
  return async (images, minimumScore) => {
    const { width, height } = images;
    const faces = await Promise.all(
      (await pixels.convert(images)).map((data) =>
        reader.findFace(
          { name: 'a generated image', width, height, pixels: data },
          { minScore: minimumScore },
        ),
      ),
    );
    return { scores: faces.map((f) => f?.score ?? 0), embeddings: faces.map((f) => f?.embedding) };
  };
}
