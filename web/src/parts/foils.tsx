import { useEffect, useRef, useState } from 'preact/hooks';
import { similarity } from '../format.js';
import { picture } from '../pictures.js';

export interface FoilEntry {
  readonly id: string;
  readonly seed: bigint;
  readonly drawn?: boolean;
  readonly similarity?: number;
}

/** Virtual faces as a grid. A picture is asked for once its cell comes near the window. */
export function Foils({
  bank,
  version,
  of,
  label,
}: {
  bank: string;
  version: string;
  of: readonly FoilEntry[];
  label: string;
}) {
  return (
    <ol class="foils" aria-label={label}>
      {of.map((entry) => (
        <Foil key={`${version}/${entry.seed}`} bank={bank} version={version} entry={entry} />
      ))}
    </ol>
  );
}

/** Told when a cell comes near: one observer serves them all. */
const near = new WeakMap<Element, () => void>();
let observer: IntersectionObserver | undefined;

function whenNear(element: Element, then: () => void): () => void {
  observer ??= new IntersectionObserver(
    (seen) => {
      for (const { target, isIntersecting } of seen) if (isIntersecting) near.get(target)?.();
    },
    { rootMargin: '400px' },
  );
  near.set(element, then);
  observer.observe(element);
  return () => {
    near.delete(element);
    observer?.unobserve(element);
  };
}

function Foil({ bank, version, entry }: { bank: string; version: string; entry: FoilEntry }) {
  const cell = useRef<HTMLLIElement>(null);
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    const element = cell.current;
    if (!element || entry.drawn) return;
    let gone = false;
    const stop = whenNear(element, () => {
      stop();
      void picture(bank, version, entry.seed).then((made) => !gone && setUrl(made));
    });
    return () => {
      gone = true;
      stop();
    };
  }, [bank, version, entry.seed, entry.drawn]);
  return (
    <li ref={cell} title={`${entry.id}, seed ${entry.seed}`}>
      {url ? (
        <img src={url} alt={`Virtual face ${entry.id}`} width={96} height={96} decoding="async" />
      ) : (
        <span class={url === undefined && !entry.drawn ? 'blank loading' : 'blank'}>
          {entry.drawn ? 'drawn' : url === '' ? 'no picture to be had' : ''}
        </span>
      )}
      {entry.similarity !== undefined && <span class="under">{similarity(entry.similarity)}</span>}
    </li>
  );
}
