import {
  GraphBuilder,
  int64,
  type Network,
  type NetworkHost,
  type TensorData,
  type Value,
} from '../onnx/index.js';
import { type Affine, apply, type Box, invert } from './geometry.js';
import type { Photo } from './photo.js';
import {
  asCardWants,
  type ImageInput,
  inputShape,
  photoTensor,
  photoWindow,
  windowFeeds,
} from './sampling.js';
import { gridOf, pixelsPerSample, sampled, shrunk } from './warp.js';

/**
 * Cuts aligned chips out of photos: float32 [1, 3, h, w] (or NHWC) as the embedder's card wants its input. Sampling is bilinear, black
 * outside the photo; where the photo is finer than the chip by a factor of two or more, whole blocks of pixels are averaged first.
 */
export class PhotoChips {
  private constructor(
    private readonly input: ImageInput,
    private readonly fine: Network,
    private readonly coarse: Network,
  ) {}

  static async open(host: NetworkHost, input: ImageInput): Promise<PhotoChips> {
    const fine = await host.load({ name: 'chip', graph: chipGraph(input, false) });
    const coarse = await host.load({ name: 'chip-shrunk', graph: chipGraph(input, true) });
    return new PhotoChips(input, fine, coarse);
  }

  async release(): Promise<void> {
    await Promise.all([this.fine.release(), this.coarse.release()]);
  }

  /** @param toChip from photo pixels to chip pixels */
  async cut(photo: Photo, toChip: Affine): Promise<TensorData> {
    const toPhoto = invert(toChip);
    const block = Math.max(1, Math.min(Math.floor(pixelsPerSample(toPhoto)), photo.width, photo.height));
    const window = sampledWindow(photo, toPhoto, this.input, block);
    const size = { width: window.width / block, height: window.height / block };
    const network = block === 1 ? this.fine : this.coarse;
    const { chips } = await network.run({
      photo: photoTensor(photo),
      ...windowFeeds(window),
      grid: gridOf(shrunk(toPhoto, window, block), size),
      ...(block === 1 ? {} : { blocks: int64([size.height, block, size.width, block, 3]) }),
    });
    return chips!;
  }
}

function chipGraph(input: ImageInput, shrink: boolean): Uint8Array {
  const g = new GraphBuilder('chip');
  const window = photoWindow(g);
  const pixels = shrink ? blockMeans(g, window) : g.cast(window, 'float32');
  const planes = g.node('Unsqueeze', [g.node('Transpose', [pixels], { perm: [2, 0, 1] }), g.ints([0])]);
  const rgb = sampled(g, planes, g.input('grid', 'float32', [1, 3, 2]), input);
  g.output('chips', asCardWants(g, rgb, input), 'float32', inputShape(input, 1));
  return g.build();
}

/** uint8 [h·k, w·k, 3] → means of k × k blocks, float32 [h, w, 3]; the input `blocks` is [h, k, w, k, 3]. */
function blockMeans(g: GraphBuilder, window: Value): Value {
  const blocks = g.node('Reshape', [window, g.input('blocks', 'int64', [5])]);
  return g.node('ReduceMean', [g.cast(blocks, 'float32')], { axes: [1, 3], keepdims: 0 });
}

/** The whole blocks that the chip's samples fall into, with one to spare, inside the photo. */
function sampledWindow(photo: Photo, toPhoto: Affine, { width, height }: ImageInput, block: number): Box {
  const corners = [
    { x: 0, y: 0 },
    { x: width - 1, y: 0 },
    { x: 0, y: height - 1 },
    { x: width - 1, y: height - 1 },
  ].map((corner) => apply(toPhoto, corner));
  const [x, blocksAcross] = wholeBlocks(
    corners.map((c) => c.x),
    photo.width,
    block,
  );
  const [y, blocksDown] = wholeBlocks(
    corners.map((c) => c.y),
    photo.height,
    block,
  );
  return { x, y, width: blocksAcross * block, height: blocksDown * block };
}

function wholeBlocks(positions: readonly number[], extent: number, block: number): [number, number] {
  const within = (p: number) => Math.min(Math.max(p, 0), extent - block);
  const first = within(Math.floor(Math.min(...positions)) - block);
  const last = Math.max(within(Math.ceil(Math.max(...positions)) + block), first);
  return [first, Math.min(Math.ceil((last - first) / block) + 1, Math.floor((extent - first) / block))];
}
