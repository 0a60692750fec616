import type { Manifest } from '../bank/index.js';
import type { InferencePool, ModelFolders } from '../onnx/index.js';
import { generatorOfBank, webpOf } from '../pipeline/index.js';
import { Generator, PixelConverter } from '../synthesis/index.js';
import { MicroBatcher } from './micro-batcher.js';
import { OnceCache } from './once-cache.js';

/** Pictures that may wait for a generator; more are refused at once. */
const MAX_WAITING = 512;
/** Milliseconds that a seed waits for others to fill a batch with, while the generator is busy. */
const WAIT_MS = 5;

interface Maker {
  /** Side of its pictures where no other is wanted: the width of its image. */
  readonly side: number;
  /** A WebP file. @param side undefined: as the generator made it */
  make(seed: number, psi: number, side: number | undefined): Promise<Buffer>;
}

/** Pictures of virtual faces, made again from their seeds: a bank stores none. Those made lately are kept, up to a limit of bytes. */
export class GalleryPictures {
  readonly #makers = new Map<string, Promise<Maker>>();
  readonly #made: OnceCache<Buffer>;

  constructor(
    readonly pool: InferencePool,
    readonly folders: ModelFolders,
    bytes: number,
  ) {
    this.#made = new OnceCache({ maxSize: bytes, sizeOf: ({ byteLength }) => byteLength });
  }

  /** Bytes of pictures that are kept. */
  get bytes(): number {
    return this.#made.size;
  }

  /**
   * @param seeds of candidates that the version's generator made
   * @param size side in pixels; 0: the generator's own
   * @returns a WebP file for each
   * @throws FoilbankError FB_BANK_GENERATOR_DIFFERS, FB_CARD_UNKNOWN, FB_OVERLOADED, those of `loadModel`
   */
  async of(manifest: Manifest, seeds: readonly number[], size: number): Promise<Buffer[]> {
    if (seeds.length === 0) return [];
    const { cardSha256 } = manifest.inputs.generator;
    const { psi } = manifest.inputs;
    const maker = await this.#maker(manifest);
    const side = size === 0 || size === maker.side ? undefined : size;
    return Promise.all(
      seeds.map((seed) =>
        this.#made.get(`${cardSha256} ${psi} ${side ?? ''} ${seed}`, () => maker.make(seed, psi, side)),
      ),
    );
  }

  #maker(manifest: Manifest): Promise<Maker> {
    const key = manifest.inputs.generator.cardSha256;
    const known = this.#makers.get(key);
    if (known) return known;
    const opened = this.#open(manifest);
    this.#makers.set(key, opened);
    opened.catch(() => this.#makers.delete(key));
    return opened;
  }

  async #open(manifest: Manifest): Promise<Maker> {
    const generator = await Generator.open(this.pool, await generatorOfBank(this.folders, manifest));
    const pixels = await PixelConverter.open(this.pool, generator.card);
    const { width, height } = generator.card.image;
    const batcher = new MicroBatcher<number, Uint8Array>({
      ...{ maxRows: generator.batch, maxWaitMs: WAIT_MS, maxWaiting: MAX_WAITING, concurrency: 1 },
      rowsOf: () => 1,
      run: async (seeds, psi) => pixels.convert(await generator.generate(seeds, Number(psi))),
    });
    return {
      side: width,
      make: async (seed, psi, side) =>
        webpOf({ data: await batcher.submit(String(psi), seed), width, height }, side),
    };
  }
}
