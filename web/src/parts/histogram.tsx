import { useEffect, useRef } from 'preact/hooks';
import type uPlot from 'uplot';
import type { Histogram as Counts } from '../../../src/gen/index.js';
import { count, similarity } from '../format.js';
import type { Mark } from './plot-histogram.js';

/** How values are spread over a bank, with marks for those of the face at hand. */
export function Histogram({ title, of, marks = [] }: { title: string; of: Counts; marks?: readonly Mark[] }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    let chart: uPlot | undefined;
    let gone = false;
    const draw = async () => {
      const { plotHistogram } = await import('./plot-histogram.js');
      if (gone) return;
      chart?.destroy();
      chart = plotHistogram(element, of, marks);
    };
    void draw();
    const resized = new ResizeObserver(() => chart?.setSize({ width: element.clientWidth, height: 160 }));
    resized.observe(element);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', draw);
    return () => {
      gone = true;
      resized.disconnect();
      dark.removeEventListener('change', draw);
      chart?.destroy();
    };
  }, [of, marks]);
  const total = of.counts.reduce((a, b) => a + b, 0);
  const width = (of.to - of.from) / Math.max(1, of.counts.length);
  return (
    <figure class="histogram">
      <figcaption>
        {title}: mean {similarity(of.mean)}, deviation {similarity(of.deviation)}, of {count(total)}
        {marks.map(({ name, at }) => (
          <span key={name} class="mark">
            {' '}
            {name} {similarity(at)}
          </span>
        ))}
      </figcaption>
      <div ref={box} class="plot" aria-hidden="true" />
      <details>
        <summary>As a table</summary>
        <table>
          <thead>
            <tr>
              <th scope="col">from</th>
              <th scope="col">to</th>
              <th scope="col">count</th>
            </tr>
          </thead>
          <tbody>
            {of.counts.map((n, i) => (
              <tr key={i}>
                <td>{similarity(of.from + i * width)}</td>
                <td>{similarity(of.from + (i + 1) * width)}</td>
                <td>{count(n)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </figure>
  );
}
