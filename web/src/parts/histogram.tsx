import { useCallback } from 'preact/hooks';
import type { Histogram as Counts } from '../../../src/gen/index.js';
import { count, similarity } from '../format.js';
import { Plot } from './plot.js';
import type { Mark } from './plot-histogram.js';

/** How values are spread over a bank, with marks for those of the face at hand. */
export function Histogram({
  title,
  of,
  counted,
  marks = [],
}: {
  title: string;
  of: Counts;
  /** What is counted, in the plural. */
  counted: string;
  marks?: readonly Mark[];
}) {
  const load = useCallback(async () => {
    const { plotHistogram } = await import('./plot-histogram.js');
    return (element: HTMLElement) => plotHistogram(element, of, marks);
  }, [of, marks]);
  const total = of.counts.reduce((a, b) => a + b, 0);
  const width = (of.to - of.from) / Math.max(1, of.counts.length);
  return (
    <figure class="histogram">
      <figcaption>
        {title}: mean {similarity(of.mean)}, deviation {similarity(of.deviation)}, of {count(total)} {counted}
        {marks.map(({ name, at }) => (
          <span key={name} class="mark">
            {' '}
            {name} {similarity(at)}
          </span>
        ))}
      </figcaption>
      <Plot load={load} />
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
