import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { alignment, betweenTemplates, leastSquaresSimilarity } from '../../../src/faces/align.js';
import { apply, compose, invert, type Point, similarity } from '../../../src/faces/geometry.js';
import { meanLandmarks, templateOf } from '../../../src/faces/templates.js';

const coordinate = fc.double({ min: -500, max: 500, noNaN: true });
const point = fc.record({ x: coordinate, y: coordinate });
const points = fc
  .array(point, { minLength: 3, maxLength: 30 })
  .filter((ps) => ps.some((p) => Math.hypot(p.x - ps[0]!.x, p.y - ps[0]!.y) > 1));
const anySimilarity = fc
  .record({
    scale: fc.double({ min: 0.05, max: 20, noNaN: true }),
    angle: fc.double({ min: -Math.PI, max: Math.PI, noNaN: true }),
    x: coordinate,
    y: coordinate,
  })
  .map(({ scale, angle, x, y }) => similarity(scale, angle, x, y));
const distance = (a: Point, b: Point) => Math.hypot(a.x - b.x, a.y - b.y);

describe('geometry', () => {
  it('undoes a map with its inverse, and composes maps in order', () => {
    fc.assert(
      fc.property(anySimilarity, anySimilarity, point, (f, g, p) => {
        expect(distance(apply(compose(invert(f), f), p), p)).toBeLessThan(1e-6);
        expect(distance(apply(compose(g, f), p), apply(g, apply(f, p)))).toBeLessThan(1e-6);
      }),
    );
  });
});

describe('leastSquaresSimilarity', () => {
  it('recovers any similarity from points and their images', () => {
    fc.assert(
      fc.property(points, anySimilarity, (from, map) => {
        const found = leastSquaresSimilarity(
          from,
          from.map((p) => apply(map, p)),
        );
        for (const p of from) expect(distance(apply(found!, p), apply(map, p))).toBeLessThan(1e-5);
      }),
    );
  });

  it('has no neighbour with a smaller sum of squared distances', () => {
    const pairs = fc.array(fc.tuple(point, point), { minLength: 3, maxLength: 12 });
    const nudge = fc.constantFrom(0.99, 1.01);
    fc.assert(
      fc.property(pairs, nudge, fc.constantFrom(-0.01, 0, 0.01), coordinate, (list, scale, angle, shift) => {
        const [from, to] = [list.map(([p]) => p), list.map(([, q]) => q)];
        const found = leastSquaresSimilarity(from, to);
        fc.pre(found !== undefined);
        const cost = (map: typeof found) =>
          from.reduce((sum, p, i) => sum + distance(apply(map!, p), to[i]!) ** 2, 0);
        const nearby = compose(similarity(scale, angle, shift / 500, -shift / 500), found!);
        expect(cost(found)).toBeLessThanOrEqual(cost(nearby) * (1 + 1e-9));
      }),
    );
  });

  it('never mirrors, even where a reflection would fit better', () => {
    const from = [
      { x: 0, y: 0 },
      { x: 2, y: 0 },
      { x: 0, y: 1 },
    ];
    const [a, b, , c, d] = leastSquaresSimilarity(
      from,
      from.map(({ x, y }) => ({ x: -x, y })),
    )!;
    expect(a * d - b * c).toBeGreaterThan(0);
  });

  it('gives nothing for points without extent or finite place', () => {
    const spot = { x: 3, y: 4 };
    const target = [spot, { x: 5, y: 6 }];
    expect(leastSquaresSimilarity([spot, spot], target)).toBeUndefined();
    expect(leastSquaresSimilarity([spot, { x: Number.NaN, y: 0 }], target)).toBeUndefined();
  });
});

describe('templates', () => {
  it('map the mean face of dlib onto its own chip unchanged', () => {
    const map = alignment(meanLandmarks(), 'dlib68-150')!;
    for (const [i, value] of [1, 0, 0, 0, 1, 0].entries()) expect(map[i]).toBeCloseTo(value, 9);
  });

  it('use what dlib uses: 31 points, none of jaw, eyebrows or lower lip', () => {
    const used = templateOf('dlib68-150')
      .pointsOf(Array.from({ length: 68 }, (_, i) => ({ x: i, y: i })))
      .map((p) => p.x);
    expect(used).toEqual([...Array.from({ length: 28 }, (_, i) => 27 + i), 60, 61, 62, 63, 64]);
  });

  it('know where one lies on the other, there and back', () => {
    const there = betweenTemplates('dlib68-150', 'arcface5-112');
    const round = compose(betweenTemplates('arcface5-112', 'dlib68-150'), there);
    expect(distance(apply(round, { x: 40, y: 90 }), { x: 40, y: 90 })).toBeLessThan(1e-9);
    // The mean face's eyes, nose and mouth land within 2.5 pixels of ArcFace's points.
    const { points: wanted, pointsOf } = templateOf('arcface5-112');
    for (const [i, p] of pointsOf(meanLandmarks()).entries())
      expect(distance(apply(there, p), wanted[i]!)).toBeLessThan(2.5);
  });
});
