/** A line of a plot: points in data coordinates. */
export interface Series {
  readonly name: string;
  readonly colour: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** Fills the area below the line. */
  readonly filled?: boolean;
  readonly dashed?: boolean;
}

export interface Axis {
  readonly label: string;
  readonly low: number;
  readonly high: number;
  /** Decades instead of equal steps. */
  readonly log?: boolean;
}

export interface PlotOptions {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  /** A line across, for example a threshold: at x. */
  readonly marks?: readonly { readonly at: number; readonly colour: string }[];
}

const WIDTH = 560;
const HEIGHT = 400;
const LEFT = 62;
const RIGHT = 14;
const TOP = 34;
const BOTTOM = 46;
const LEGEND_LINE = 17;

/** Distinct on white and to most colour-blind eyes (Okabe and Ito). */
export const COLOURS = [
  '#444444',
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#e69f00',
  '#56b4e9',
  '#7a5195',
  '#8c564b',
];

/** A plot as one SVG element, without any reference to the outside. The legend stands below. */
export function plot({ title, x, y, series, marks = [] }: PlotOptions): string {
  const px = (value: number) => LEFT + share(x, value) * (WIDTH - LEFT - RIGHT);
  const py = (value: number) => HEIGHT - BOTTOM - share(y, value) * (HEIGHT - TOP - BOTTOM);
  const height = HEIGHT + Math.ceil(series.length / 2) * LEGEND_LINE + 12;
  const frame = `<rect x="${LEFT}" y="${TOP}" width="${WIDTH - LEFT - RIGHT}" height="${HEIGHT - TOP - BOTTOM}" fill="none" stroke="#bbb"/>`;
  const xTicks = ticks(x).map(
    (t) =>
      `<line x1="${n(px(t))}" x2="${n(px(t))}" y1="${TOP}" y2="${HEIGHT - BOTTOM}" stroke="#eee"/><text x="${n(px(t))}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle">${tickText(x, t)}</text>`,
  );
  const yTicks = ticks(y).map(
    (t) =>
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${n(py(t))}" y2="${n(py(t))}" stroke="#eee"/><text x="${LEFT - 6}" y="${n(py(t) + 4)}" text-anchor="end">${tickText(y, t)}</text>`,
  );
  const lines = series.map(({ points, colour, filled, dashed }) => {
    const path = points.map(([a, b], i) => `${i === 0 ? 'M' : 'L'}${n(px(a))} ${n(py(b))}`).join('');
    const area =
      filled && points.length > 0
        ? `<path d="${path}L${n(px(points.at(-1)![0]))} ${n(py(y.low))}L${n(px(points[0]![0]))} ${n(py(y.low))}Z" fill="${colour}" fill-opacity="0.15"/>`
        : '';
    return `${area}<path d="${path}" fill="none" stroke="${colour}" stroke-width="1.8"${dashed ? ' stroke-dasharray="5 4"' : ''}/>`;
  });
  const legend = series.map(({ name, colour, dashed }, i) => {
    const [left, top] = [LEFT + (i % 2) * ((WIDTH - LEFT) / 2), HEIGHT + 6 + Math.floor(i / 2) * LEGEND_LINE];
    return `<line x1="${left}" x2="${left + 20}" y1="${top}" y2="${top}" stroke="${colour}" stroke-width="2.5"${dashed ? ' stroke-dasharray="5 4"' : ''}/><text x="${left + 26}" y="${top + 4}">${escaped(name)}</text>`;
  });
  const verticals = marks.map(
    ({ at, colour }) =>
      `<line x1="${n(px(at))}" x2="${n(px(at))}" y1="${TOP}" y2="${HEIGHT - BOTTOM}" stroke="${colour}" stroke-dasharray="2 3"/>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="DejaVu Sans, Verdana, sans-serif" font-size="11" fill="#333">`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    `<text x="${LEFT}" y="20" font-size="14" font-weight="bold">${escaped(title)}</text>`,
    ...xTicks,
    ...yTicks,
    frame,
    `<clipPath id="c"><rect x="${LEFT}" y="${TOP}" width="${WIDTH - LEFT - RIGHT}" height="${HEIGHT - TOP - BOTTOM}"/></clipPath>`,
    `<g clip-path="url(#c)">${verticals.join('')}${lines.join('')}</g>`,
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 12}" text-anchor="middle">${escaped(x.label)}</text>`,
    `<text transform="translate(15 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">${escaped(y.label)}</text>`,
    ...legend,
    '</svg>',
  ].join('');
}

export const escaped = (text: string): string => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

function share({ low, high, log }: Axis, value: number): number {
  if (!log) return (value - low) / (high - low);
  return Math.log10(Math.max(value, low / 10) / low) / Math.log10(high / low);
}

function ticks({ low, high, log }: Axis): number[] {
  if (log) {
    const first = Math.ceil(Math.log10(low) - 1e-9);
    const last = Math.floor(Math.log10(high) + 1e-9);
    return Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i));
  }
  const rough = (high - low) / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((m) => m * power >= rough) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

const tickText = ({ log }: Axis, value: number): string =>
  log ? value.toExponential(0).replace('e+0', '') : String(Number(value.toPrecision(6)));

/** A coordinate with as many digits as show. */
const n = (value: number): string => value.toFixed(1);
