import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Scoring } from '../../../src/gen/index.js';

const RAISED: Readonly<Record<string, string>> = {
  ...{ '-': '⁻', 0: '⁰', 1: '¹', 2: '²', 3: '³', 4: '⁴', 5: '⁵', 6: '⁶', 7: '⁷', 8: '⁸', 9: '⁹' },
};

/** @param n a power of ten; null where there is no room for its name */
const powerOf = (n: number | null): string =>
  n === null
    ? ''
    : n === 1
      ? '1'
      : `10${[...String(Math.round(Math.log10(n)))].map((sign) => RAISED[sign]).join('')}`;

/** True accepts by false accepts, in percent, on a logarithmic scale. All curves have the same false accept rates. */
export function plotRoc(element: HTMLElement, curves: readonly Scoring[], height: number): uPlot {
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: colour('--ink'),
    grid: { stroke: colour('--line'), width: 0.5 },
    ticks: { stroke: colour('--line') },
  };
  const fars = curves[0]?.roc.map(({ far }) => far) ?? [];
  const first = Math.ceil(Math.log10(fars[0] ?? 1e-6) - 1e-9);
  const powers = Array.from({ length: 1 - first }, (_, i) => 10 ** (first + i));
  return new uPlot(
    {
      ...{ width: element.clientWidth, height, legend: { show: false }, cursor: { show: false } },
      scales: {
        x: { time: false, distr: 3, log: 10, range: [fars[0] ?? 1e-6, 1] },
        y: { range: (_u, low) => [Math.floor(low * 20) / 20, 1] },
      },
      axes: [
        {
          ...axis,
          label: 'false accept rate',
          labelSize: 20,
          splits: powers,
          values: (_u, at) => at.map(powerOf),
        },
        {
          ...axis,
          ...{ label: 'true accept rate', labelSize: 20, size: 52 },
          values: (_u, at) => at.map((n) => `${Math.round(n * 100)} %`),
        },
      ],
      series: [
        {},
        ...curves.map((_, i) => ({
          ...{ stroke: colour(`--curve-${i}`), width: 2, points: { show: false } },
          ...(i === 0 ? { dash: [6, 4] } : {}),
        })),
      ],
    },
    [fars, ...curves.map(({ roc }) => roc.map(({ tar }) => tar))],
    element,
  );
}
