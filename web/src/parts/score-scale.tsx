import { similarity } from '../format.js';

export interface Tick {
  readonly key: string;
  readonly name: string;
  /** Raw similarity that this pair needs. */
  readonly at: number;
  readonly chosen: boolean;
}

export interface Band {
  readonly name: string;
  readonly r: number;
  readonly sigma: number;
}

/**
 * One scale of raw similarity: the pair's own, the look-alikes of both sides (r ± sigma), and what the pair would need at every
 * threshold. The correction is in where those needs lie.
 */
export function ScoreScale({
  raw,
  bands,
  ticks,
}: {
  raw: number;
  bands: readonly Band[];
  ticks: readonly Tick[];
}) {
  const values = [
    raw,
    ...bands.flatMap(({ r, sigma }) => [r - sigma, r + sigma]),
    ...ticks.map(({ at }) => at),
  ];
  const finite = values.filter(Number.isFinite);
  const margin = Math.max(0.01, (Math.max(...finite) - Math.min(...finite)) * 0.06);
  const [low, high] = [Math.min(...finite) - margin, Math.max(...finite) + margin];
  const place = (x: number) => `${((x - low) / (high - low)) * 100}%`;
  return (
    <div class="scale">
      <div class="track" aria-hidden="true">
        {bands.map(({ name, r, sigma }, i) => (
          <span
            key={name}
            class={`band band-${i}`}
            style={{ left: place(r - sigma), width: `${((2 * sigma) / (high - low)) * 100}%` }}
          >
            {name}
          </span>
        ))}
        {ticks.map(({ key, at, chosen }) => (
          <span key={key} class={chosen ? 'tick chosen' : 'tick'} style={{ left: place(at) }}>
            {key}
          </span>
        ))}
        <span class="here" style={{ left: place(raw) }} />
      </div>
      <p class="ends quiet" aria-hidden="true">
        <span>{similarity(low)}</span>
        <span>raw similarity</span>
        <span>{similarity(high)}</span>
      </p>
      <table>
        <caption>On the scale of raw similarity, for this pair</caption>
        <tbody>
          <tr class="mine">
            <th scope="row">
              <span class="key here-key" /> this pair
            </th>
            <td>{similarity(raw)}</td>
          </tr>
          {bands.map(({ name, r, sigma }, i) => (
            <tr key={name}>
              <th scope="row">
                <span class={`key band-${i}`} /> look-alikes of {name}, r ± σ
              </th>
              <td>
                {similarity(r)} ± {similarity(sigma)}
              </td>
            </tr>
          ))}
          {ticks.map(({ key, name, at, chosen }) => (
            <tr key={key} class={chosen ? 'chosen' : ''}>
              <th scope="row">
                <span class="key">{key}</span> needed for {name}
              </th>
              <td>
                {similarity(at)} {raw > at ? '✓' : '✗'}
                <span class="sr">{raw > at ? 'reached' : 'not reached'}</span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
