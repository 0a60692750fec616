import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Scoring } from '../../../src/gen/index.js';

const power = new Intl.NumberFormat('en', { maximumFractionDigits: 6 });

/** True accepts by false accepts, in percent, on a logarithmic scale. All curves have the same false accept rates. */
export function plotRoc(element: HTMLElement, curves: readonly Scoring[], height: number): uPlot {
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: colour('--ink'),
    grid: { stroke: colour('--blank'), width: 1 },
    ticks: { stroke: colour('--line') },
  };
  const fars = curves[0]?.roc.map(({ far }) => far) ?? [];
  const isPower = (n: number) => Math.abs(Math.log10(n) - Math.round(Math.log10(n))) < 1e-9;
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
          values: (_u, at) => at.map((n) => (isPower(n) ? power.format(n) : '')),
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
