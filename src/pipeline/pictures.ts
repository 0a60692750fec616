import { createRequire } from 'node:module';
import sharp from 'sharp';

/** An 8-bit RGB picture, interleaved: data.length = width · height · 3. */
export interface Tile {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

export interface SheetOptions {
  /** Tiles a row. */
  readonly across: number;
  /** Side of a tile on the sheet, in pixels. Default 96. */
  readonly side?: number;
  /** A line under each tile. */
  readonly captions?: readonly string[];
  /** A tile shown at the left, four times as large, with its own caption: the face that was asked about. */
  readonly query?: { readonly tile: Tile; readonly caption: string };
}

/** A picture as a WebP file, encoded outside the main thread. @param side of the square that it is brought to; default: as it is */
export async function webpOf({ data, width, height }: Tile, side?: number): Promise<Buffer> {
  const picture = sharp(data, { raw: { width, height, channels: 3 } });
  const sized = side === undefined ? picture : picture.resize(side, side, { kernel: 'cubic' });
  return sized.webp({ quality: 88 }).toBuffer();
}

const GAP = 6;
const CAPTION_HEIGHT = 18;
const BACKGROUND = { r: 250, g: 250, b: 248 };

/**
 * A contact sheet as a PNG.
 * @param tiles at least one
 */
export async function contactSheet(tiles: readonly Tile[], options: SheetOptions): Promise<Buffer> {
  const { across, side = 96, captions, query } = options;
  const cell = { width: side + GAP, height: side + GAP + (captions ? CAPTION_HEIGHT : 0) };
  const left = query ? 4 * side + 3 * GAP : GAP;
  const rows = Math.ceil(tiles.length / across);
  const width = left + Math.min(across, tiles.length) * cell.width;
  const height = Math.max(GAP + rows * cell.height, query ? 4 * side + 2 * GAP + CAPTION_HEIGHT : 0);
  const layers = await Promise.all([
    ...tiles.map(async (tile, i) => ({
      input: await resized(tile, side),
      left: left + (i % across) * cell.width,
      top: GAP + Math.floor(i / across) * cell.height,
    })),
    ...(captions ?? []).map(async (caption, i) => ({
      input: await textLine(caption, side),
      left: left + (i % across) * cell.width + 2,
      top: GAP + Math.floor(i / across) * cell.height + side + 4,
    })),
    ...(query
      ? [
          resized(query.tile, 4 * side).then((input) => ({ input, left: GAP, top: GAP })),
          textLine(query.caption, 4 * side).then((input) => ({
            input,
            left: GAP + 2,
            top: 4 * side + GAP + 5,
          })),
        ]
      : []),
  ]);
  return sharp({ create: { width, height, channels: 3, background: BACKGROUND } })
    .composite(layers)
    .png()
    .toBuffer();
}

const resized = ({ data, width, height }: Tile, side: number): Promise<Buffer> =>
  sharp(data, { raw: { width, height, channels: 3 } })
    .resize(side, side, { kernel: 'cubic' })
    .png({ compressionLevel: 1 })
    .toBuffer();

// A machine may have no font at all, so the text brings its own.
const FONT = createRequire(import.meta.url).resolve('dejavu-fonts-ttf/ttf/DejaVuSans.ttf');

/** One line of small dark text on a transparent ground, cut off where it would be wider than its tile. */
function textLine(whole: string, width: number): Promise<Buffer> {
  const most = Math.floor(width / 7);
  const text = whole.length > most ? `${whole.slice(0, most - 1)}…` : whole;
  const escaped = text.replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`);
  return sharp({
    text: {
      text: `<span foreground="#333">${escaped}</span>`,
      font: 'DejaVu Sans 11',
      fontfile: FONT,
      rgba: true,
    },
  })
    .png()
    .toBuffer();
}
