import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Histogram } from '../../../src/gen/index.js';

const compact = new Intl.NumberFormat('en', { notation: 'compact' });

export interface Mark {
  readonly name: string;
  readonly at: number;
}

/** A module of its own: pages without a chart do not load the library. */
export function plotHistogram(element: HTMLElement, of: Histogram, marks: readonly Mark[]): uPlot {
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const width = (of.to - of.from) / Math.max(1, of.counts.length);
  const centres = of.counts.map((_, i) => of.from + (i + 0.5) * width);
  const low = Math.min(of.from, ...marks.map(({ at }) => at - width));
  const high = Math.max(of.to, ...marks.map(({ at }) => at + width));
  const axis = { stroke: colour('--ink'), grid: { show: false }, ticks: { stroke: colour('--line') } };
  const drawMarks = (u: uPlot) => {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.lineWidth = 2 * devicePixelRatio;
    ctx.strokeStyle = ctx.fillStyle = colour('--accent');
    ctx.font = `${12 * devicePixelRatio}px ${style.fontFamily}`;
    for (const { name, at } of marks) {
      const x = u.valToPos(at, 'x', true);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      const right = x > bbox.left + bbox.width * 0.8;
      ctx.textAlign = right ? 'right' : 'left';
      ctx.fillText(name, x + (right ? -4 : 4) * devicePixelRatio, bbox.top + 12 * devicePixelRatio);
    }
    ctx.restore();
  };
  return new uPlot(
    {
      ...{ width: element.clientWidth, height: 160, legend: { show: false }, cursor: { show: false } },
      scales: { x: { time: false, range: [low, high] }, y: { range: (_u, _low, top) => [0, top * 1.05] } },
      axes: [axis, { ...axis, size: 52, values: (_u, at) => at.map((n) => compact.format(n)) }],
      series: [
        {},
        {
          fill: colour('--bar'),
          stroke: colour('--bar'),
          paths: uPlot.paths.bars!({ size: [0.96, 100] }),
          points: { show: false },
        },
      ],
      hooks: { draw: [drawMarks] },
    },
    [centres, [...of.counts]],
    element,
  );
}
