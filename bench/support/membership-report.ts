import { fitCalibration, membershipAttack } from '../../src/discrepancy/index.js';
import { type Half, halvings, identitiesOf, shuffled } from '../../src/evaluation/index.js';

const KEPT = ['mean', 'mean and covariance', 'all'] as const;

/** How well an attacker tells photos of a calibration's sample from photos of other people, by what is kept: mean over halvings. */
export async function membershipReport(
  { embeddings, labels }: Half,
  samples: readonly number[],
  splits: number,
): Promise<void> {
  const identities = identitiesOf(labels);
  const halves = halvings(identities, splits, 7).filter((_, i) => i % 2 === 0);
  const rowsOf = (half: Uint8Array, inside: number) =>
    Array.from(identities.of.keys()).filter((row) => half[identities.of[row]!] === inside);
  console.log(
    '\nmembership: chance that the likelier of two photos is the member, ½ is guessing (mean; mean and covariance; all that is kept)',
  );
  for (const n of samples) {
    const sums = KEPT.map(() => 0);
    for (const [split, half] of halves.entries()) {
      const own = embeddings.gather(rowsOf(half, 1));
      const strangers = embeddings.gather(rowsOf(half, 0));
      // In a random order: files of one person lie beside each other.
      const mixedUp = strangers.gather(shuffled(strangers.rows, split));
      const sample = own.gather(shuffled(own.rows, split).subarray(0, n));
      const calibration = await fitCalibration(sample);
      KEPT.forEach((kept, i) => {
        sums[i]! += membershipAttack(calibration, sample, mixedUp, kept) / halves.length;
      });
    }
    console.log(`  n ${n}: ${sums.map((x) => x.toFixed(2)).join('; ')}`);
  }
}
