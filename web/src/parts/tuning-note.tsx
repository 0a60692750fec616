import type { Tuning } from '../../../src/gen/index.js';
import { count, percent, rate } from '../format.js';

const points = (share: number) => (100 * share).toFixed(1);

/** What labelled photos said of a bank, by `foilbank tune`. */
export function TuningNote({ of }: { of: Tuning | undefined }) {
  return (
    <>
      <h3>Tuning</h3>
      {of ? (
        <p>
          Operator, K and λ were chosen by labelled photos. At a false accept rate of{' '}
          {rate(of.falseAcceptRate)}, of {count(of.photos)} photos of {count(of.people)} people who had no
          part in the choice, {percent(of.aligned)} of pairs of one person are accepted; without correction{' '}
          {percent(of.raw)}. The gain is {points(of.aligned - of.raw)} points (95 % interval{' '}
          {points(of.gainFrom)} to {points(of.gainTo)}).
        </p>
      ) : (
        <p class="quiet">
          Operator, K and λ are the usual ones: <code>foilbank tune photos/</code> chooses them by labelled
          photos.
        </p>
      )}
    </>
  );
}
