import { useState } from 'preact/hooks';
import { count } from '../format.js';
import { type FoilEntry, Foils } from './foils.js';

/** The nearest candidates of a face: those with a face of their own first, the drawn ones on demand. */
export function LookAlikes({
  bank,
  version,
  of,
  label,
  limit = of.length,
}: {
  bank: string;
  version: string;
  of: readonly FoilEntry[];
  label: string;
  limit?: number;
}) {
  const [all, setAll] = useState(false);
  const drawn = of.filter((entry) => entry.drawn).length;
  const shown = (all ? of : of.filter((entry) => !entry.drawn)).slice(0, limit);
  return (
    <>
      {drawn > 0 && (
        <p class="quiet">
          {count(drawn)} of the {count(of.length)} nearest are drawn from the calibration and have no picture.{' '}
          <button type="button" class="link" aria-pressed={all} onClick={() => setAll(!all)}>
            {all ? 'Leave them out' : 'Show them too'}
          </button>
        </p>
      )}
      <Foils bank={bank} version={version} of={shown} label={label} />
    </>
  );
}
