/** Pixels; the centre of the first pixel is (0, 0), x to the right, y down. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A rectangle in pixels, from its upper left corner. */
export interface Box extends Point {
  readonly width: number;
  readonly height: number;
}

/** The map x' = a·x + b·y + tx, y' = c·x + d·y + ty as [a, b, tx, c, d, ty]. */
export type Affine = readonly [number, number, number, number, number, number];

export function apply([a, b, tx, c, d, ty]: Affine, { x, y }: Point): Point {
  return { x: a * x + b * y + tx, y: c * x + d * y + ty };
}

/** The map's inverse. Its determinant must not be 0. */
export function invert([a, b, tx, c, d, ty]: Affine): Affine {
  const determinant = a * d - b * c;
  const [ia, ib, ic, id] = [d / determinant, -b / determinant, -c / determinant, a / determinant];
  return [ia, ib, -(ia * tx + ib * ty), ic, id, -(ic * tx + id * ty)];
}

/** First `inner`, then `outer`. */
export function compose(outer: Affine, inner: Affine): Affine {
  const [a, b, tx, c, d, ty] = outer;
  const [ia, ib, itx, ic, id, ity] = inner;
  return [
    a * ia + b * ic,
    a * ib + b * id,
    a * itx + b * ity + tx,
    c * ia + d * ic,
    c * ib + d * id,
    c * itx + d * ity + ty,
  ];
}

/** The similarity x' = scale · R(angle) · x + (tx, ty); positive angles (radians) turn x towards y. */
export function similarity(scale: number, angle: number, tx: number, ty: number): Affine {
  const [cos, sin] = [scale * Math.cos(angle), scale * Math.sin(angle)];
  return [cos, -sin, tx, sin, cos, ty];
}

/** The part of a box inside an image, rounded to whole pixels as face-api does it: position and size are floored. */
export function clipped(box: Box, width: number, height: number): Box {
  const x = Math.max(box.x, 0);
  const y = Math.max(box.y, 0);
  return {
    x: Math.floor(x),
    y: Math.floor(y),
    width: Math.floor(Math.min(box.x + box.width, width) - x),
    height: Math.floor(Math.min(box.y + box.height, height) - y),
  };
}
