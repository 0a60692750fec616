import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';
import type { Figure, Scoring } from '../../../src/gen/index.js';
import { percent } from '../format.js';
import { nameOf } from '../scorings.js';
import { Wide } from './wide.js';

/** One row a way of scoring, one column a rate, a group or a size. */
export function ScoringTable({
  title,
  of,
  columns,
  cell,
}: {
  title: string;
  of: readonly Scoring[];
  columns: readonly string[];
  /** @param column its number */
  cell: (scoring: Scoring, column: number) => ComponentChildren;
}) {
  const id = useId();
  return (
    <>
      <p id={id} class="scorings-title">
        {title}
      </p>
      <Wide label={title}>
        <table class="scorings" aria-labelledby={id}>
          <thead>
            <tr>
              <th scope="col">score</th>
              {columns.map((name) => (
                <th scope="col" key={name}>
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {of.map((scoring) => (
              <tr key={nameOf(scoring)} class={scoring.recommended ? 'chosen' : ''}>
                <th scope="row">
                  {nameOf(scoring)}
                  {scoring.recommended && <span class="under"> recommended by the version</span>}
                </th>
                {columns.map((name, i) => (
                  <td key={name}>{cell(scoring, i)}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Wide>
    </>
  );
}

/** A rate and, below it, its interval. */
export function Rate({ of }: { of: Figure | undefined }) {
  if (of?.value === undefined) return <>–</>;
  return (
    <>
      {percent(of.value)}
      {of.from !== undefined && of.to !== undefined && (
        <span class="under">
          <span class="sr">95 % interval </span>
          {(100 * of.from).toFixed(1)} to {(100 * of.to).toFixed(1)}
        </span>
      )}
    </>
  );
}
