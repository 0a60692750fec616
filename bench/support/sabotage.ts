import type { InferencePool } from '../../src/onnx/index.js';
import { CandidateMaker, type Networks } from '../../src/pipeline/index.js';

export interface Sabotage {
  readonly name: string;
  /** A maker that makes other faces than the networks say. */
  make(): Promise<CandidateMaker>;
}

interface Honest {
  readonly pool: InferencePool;
  readonly networks: Networks;
  readonly maker: CandidateMaker;
}

type Make = CandidateMaker['make'];

/** Ways in which a refresh may go wrong while its recipe stays the same. */
export function sabotages({ pool, networks, maker }: Honest): readonly Sabotage[] {
  const { generator, embedder } = networks;
  const wrapped = (name: string, make: Make): Sabotage => ({
    name,
    make: async () => Object.assign(Object.create(maker), { make }) as CandidateMaker,
  });
  const psiTimes = (factor: number) =>
    wrapped(`psi × ${factor}`, (seeds, psi, minimum) => maker.make(seeds, psi * factor, minimum));
  const { input } = embedder.card;
  const { align } = generator.card;
  const colours = { ...input, colour: input.colour === 'rgb' ? ('bgr' as const) : ('rgb' as const) };
  const other = (name: string, changed: Partial<Networks>): Sabotage => ({
    name,
    make: () => CandidateMaker.open(pool, { ...networks, ...changed }),
  });
  const moved = (pixels: number): Sabotage => {
    if (align.mode !== 'fixed') throw new TypeError('the default generator puts every face in one place');
    const [x, y] = align.translation;
    const card = { ...generator.card, align: { ...align, translation: [x + pixels, y] as [number, number] } };
    return other(`chips moved by ${pixels} px`, { generator: { ...generator, card } });
  };
  return [
    other('colours of the embedder swapped', {
      embedder: { ...embedder, card: { ...embedder.card, input: colours } },
    }),
    ...[0.01, 0.5, 0.8, 0.9, 0.95, 1.15].map(psiTimes),
    moved(2),
    moved(5),
    moved(10),
    wrapped('every face comes twice', (seeds, ...rest) =>
      maker.make(
        seeds.map((seed) => 2 * Math.floor(seed / 2)),
        ...rest,
      ),
    ),
    wrapped('only 64 faces', (seeds, ...rest) =>
      maker.make(
        seeds.map((seed) => seed % 64),
        ...rest,
      ),
    ),
    wrapped('every second face is not found', async (seeds, ...rest) => {
      const { scores, embeddings } = await maker.make(seeds, ...rest);
      return {
        scores,
        embeddings: embeddings.map((embedding, i) => (seeds[i]! % 2 ? embedding : undefined)),
      };
    }),
  ];
}
