import { setImmediate } from 'node:timers/promises';
import { throwIfCancelled } from '../errors.js';
import type { Identities } from './identities.js';
import { operatingPoints } from './operating-points.js';
import { type Judged, partOfPeople } from './part-of-people.js';
import { shuffled } from './random.js';
import { IdentityResamples, type Interval, intervalOf } from './resampling.js';

/** What half of the people chose, to be judged by the others. */
export interface Choice {
  /** Which way of scoring; 0 is raw. */
  readonly chosen: number;
  /** 1 for each identity that had no part in the choice. */
  readonly judges: Uint8Array;
}

/** How much better than raw the chosen ways of scoring are, on people that they were not chosen by. Mean over the choices. */
export interface HonestGain {
  readonly far: number;
  /** True accept rates. */
  readonly raw: number;
  readonly aligned: number;
  readonly gain: number;
  /** 95 % of the gain, by resampling identities; the choices stay as they are. */
  readonly interval: Interval | undefined;
}

/** Both halves of the people, several times. */
export function halvings({ names }: Identities, splits: number, seed: number): Uint8Array[] {
  return Array.from({ length: splits }, (_, split) => {
    const first = new Uint8Array(names.length);
    for (const identity of shuffled(names.length, seed * 1000 + split).subarray(0, names.length >> 1))
      first[identity] = 1;
    return [first, first.map((x) => 1 - x)];
  }).flat();
}

/** The way of scoring with the highest true accept rate at a false accept rate, of equal ones the first; and that rate of each. */
export function bestOf(
  ways: readonly Judged[],
  far: number,
): { readonly best: number; readonly rates: readonly number[] } {
  const rates = ways.map(({ scored, identities }) => {
    const [point] = operatingPoints(scored, identities, [far], new IdentityResamples(identities.names, 0));
    return point!.tar;
  });
  return { best: rates.reduce((best, rate, i) => (rate > rates[best]! ? i : best), 0), rates };
}

/** Lets each half of the people choose. @param ways raw first @throws FoilbankError FB_CANCELLED */
export async function choicesOf(
  ways: readonly Judged[],
  halves: readonly Uint8Array[],
  far: number,
  signal?: AbortSignal,
): Promise<Choice[]> {
  const choices: Choice[] = [];
  for (const half of halves) {
    await pause(signal);
    const within = ways.map((way) => partOfPeople(way, half));
    choices.push({ chosen: bestOf(within, far).best, judges: half.map((x) => 1 - x) });
  }
  return choices;
}

/** Lets a Ctrl-C come through between pieces of arithmetic. */
async function pause(signal: AbortSignal | undefined): Promise<void> {
  await setImmediate();
  throwIfCancelled(signal, 'tuning');
}

/**
 * Judges every choice by the people who had no part in it. A person has the same weight in a resample for every choice and for both scores.
 *
 * @param wayOf what was chosen, with as many of its highest impostor pairs as the largest rate needs
 * @throws FoilbankError FB_CANCELLED
 */
export async function honestGains(
  choices: readonly Choice[],
  wayOf: (chosen: number) => Judged,
  fars: readonly number[],
  resamples: IdentityResamples,
  signal?: AbortSignal,
): Promise<HonestGain[]> {
  const sums = fars.map(() => ({ raw: 0, aligned: 0, draws: new Float64Array(resamples.count) }));
  for (const { chosen, judges } of choices) {
    await pause(signal);
    const [raw, aligned] = [0, chosen].map((way) => {
      const { scored, identities } = partOfPeople(wayOf(way), judges);
      return operatingPoints(scored, identities, fars, resamples);
    });
    sums.forEach((sum, at) => {
      const [before, after] = [raw![at]!, aligned![at]!];
      sum.raw += before.tar / choices.length;
      sum.aligned += after.tar / choices.length;
      after.draws.forEach((tar, draw) => {
        sum.draws[draw]! += (tar - before.draws[draw]!) / choices.length;
      });
    });
  }
  return sums.map(({ raw, aligned, draws }, at) => ({
    ...{ far: fars[at]!, raw, aligned, gain: aligned - raw },
    interval: Number.isNaN(aligned - raw) ? undefined : intervalOf(draws),
  }));
}
