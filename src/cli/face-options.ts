import { InvalidArgumentError } from 'commander';

/** Which face of a photo is meant. */
export type FaceChoice = 'largest' | 'whole' | number;

/** Parses `largest`, `whole` or a number from 1, or a list of them separated by commas, one for each photo. */
export function faceChoices(value: string): FaceChoice[] {
  return value.split(',').map((part) => {
    if (part === 'largest' || part === 'whole') return part;
    const number = Number(part);
    if (!Number.isInteger(number) || number < 1)
      throw new InvalidArgumentError('Give largest, whole, or the number of a face from 1, left to right.');
    return number;
  });
}

/** The choice for photo `i`: the last one given serves for all further photos. */
export const choiceOf = (choices: readonly FaceChoice[], i: number): FaceChoice =>
  choices[Math.min(i, choices.length - 1)] ?? 'largest';

export const FACE_OPTION = [
  '--face <which>',
  'largest, whole (each photo is a crop that one face fills), or a number from 1, left to right; a list gives one for each photo',
] as const;
