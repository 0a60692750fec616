import type { AlignScoresResponse } from '../../src/gen/index.js';
import { formulaOf, OPERATORS, operatorId } from '../../src/scoring/formulas.js';
import { rate, similarity } from './format.js';

/** Of one pair: its aligned score by its raw one. */
export type Curve = (raw: number) => number;

type Answer = Pick<AlignScoresResponse, 'operator' | 'lambda' | 'typical' | 'left' | 'right'>;

/** Of the first pair of a reply, by the operator that the reply names. */
export function curveOf({ operator, lambda = 1, typical, left, right }: Answer): Curve | undefined {
  const name = OPERATORS.find((one) => operatorId(one) === operator);
  const [a, b] = [left[0], right[0]];
  if (!name || !a || !b) return undefined;
  const formula = formulaOf({ operator: name, lambda }, typical);
  return (raw) => formula(raw, a.r, a.sigma, b.r, b.sigma);
}

/** Similarities are looked for so far beyond ±1, and so often halved: to 1e-12. */
const [FAR, HALVINGS] = [8, 44];

/** The raw similarity that this pair needs to reach an aligned threshold: every operator's score grows with it. */
export function neededRaw(curve: Curve, threshold: number): number {
  let [low, high] = [-FAR, FAR];
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (low + high) / 2;
    if (curve(middle) < threshold) low = middle;
    else high = middle;
  }
  return high;
}

/** What a sentence about a comparison is made of. */
export interface Moved {
  readonly raw: number;
  /** r of both sides. */
  readonly r: readonly [number, number];
  /** How r is spread over the bank at this K; absent where another K was asked for. */
  readonly usual?: { readonly mean: number; readonly deviation: number } | undefined;
  readonly operator: string;
  /** Absent without a threshold. */
  readonly decided?: { readonly needed: number; readonly falseMatchRate?: number | undefined } | undefined;
}

type Side = 'close' | 'far' | 'usual';

const sideOf = (r: number, { mean, deviation }: { mean: number; deviation: number }): Side =>
  r > mean + deviation / 2 ? 'close' : r < mean - deviation / 2 ? 'far' : 'usual';

/** One or two plain sentences: why the score moved, and what follows from it. */
export function explain({ raw, r, usual, operator, decided }: Moved): string {
  return [why(raw, r, usual, operator), decided && verdict(raw, decided)].filter(Boolean).join(' ');
}

function why(
  raw: number,
  [a, b]: readonly [number, number],
  usual: Moved['usual'],
  operator: string,
): string {
  const both = `${similarity(a)} and ${similarity(b)}`;
  if (operator === 'none')
    return `This bank leaves scores as they are; the look-alikes of A and B come to ${both} on average.`;
  if (!usual)
    return `The look-alikes of A and B come to ${both} on average; their similarity of ${similarity(raw)} is read against that.`;
  const typical = similarity(usual.mean);
  const sides = [sideOf(a, usual), sideOf(b, usual)];
  const [first, second] = sides;
  if (first === second)
    return {
      close: `Both faces have closer look-alikes than most (${both}; usual is ${typical}), so a similarity of ${similarity(raw)} says less than it seems.`,
      far: `Both faces are unusual: even their look-alikes are far from them (${both}; usual is ${typical}), so a similarity of ${similarity(raw)} says more than it seems.`,
      usual: `Both faces are about as close to their look-alikes as most (${both}; usual is ${typical}), so the score hardly moves.`,
    }[first!];
  if (!sides.includes('usual'))
    return `One face has close look-alikes and the other is unusual (${both}; usual is ${typical}): the two corrections work against each other.`;
  const name = first === 'usual' ? 'B' : 'A';
  return sides.includes('close')
    ? `${name} has closer look-alikes than most (${similarity(name === 'A' ? a : b)}; usual is ${typical}), so a similarity of ${similarity(raw)} says a little less than it seems.`
    : `${name} is unusual: even its look-alikes are far from it (${similarity(name === 'A' ? a : b)}; usual is ${typical}), so a similarity of ${similarity(raw)} says a little more than it seems.`;
}

function verdict(raw: number, { needed, falseMatchRate }: NonNullable<Moved['decided']>): string {
  const at =
    falseMatchRate === undefined
      ? 'At the threshold given'
      : `At a false match rate of ${rate(falseMatchRate)}`;
  const outcome = raw > needed ? 'it has more: the same person' : 'it has less: different people';
  return `${at} this pair needs ${similarity(needed)}; ${outcome}.`;
}
