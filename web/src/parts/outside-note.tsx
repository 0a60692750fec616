import { Coverage, type Discrepancy } from '../../../src/gen/index.js';

/** Where the bank has no faces like it, its figures mean little. */
export function OutsideNote({ of, name = 'This face' }: { of: Discrepancy | undefined; name?: string }) {
  if (of?.coverage !== Coverage.OUTSIDE) return null;
  return (
    <p class="note" role="status">
      {name} lies outside of what the bank covers: it may be no face, and the correction means nothing for it.
    </p>
  );
}
