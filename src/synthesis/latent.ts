import { FoilbankError } from '../errors.js';

/**
 * Latents by a counter-based generator: a pure function of (seed, zDim), so that neither batch, worker nor order
 * matters. Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3",
 * SC 2011) keyed by the seed and counted by the position gives uniform bits; Box–Muller turns each pair into two
 * standard normals.
 */
const ROTATIONS = [13, 15, 26, 6, 17, 29, 16, 24] as const;
const PARITY = 0x1bd11bda;

/** One block of Threefry-2x32-20 as unsigned 32-bit words. */
export function threefry2x32(
  key: readonly [number, number],
  counter: readonly [number, number],
): [number, number] {
  const keys = [key[0], key[1], PARITY ^ key[0] ^ key[1]] as const;
  let x0 = (counter[0] + keys[0]) | 0;
  let x1 = (counter[1] + keys[1]) | 0;
  for (let round = 0; round < 20; round++) {
    const by = ROTATIONS[round % 8] as number;
    x0 = (x0 + x1) | 0;
    x1 = ((x1 << by) | (x1 >>> (32 - by))) ^ x0;
    if (round % 4 === 3) {
      const injection = (round + 1) / 4;
      x0 = (x0 + (keys[injection % 3] as number)) | 0;
      x1 = (x1 + (keys[(injection + 1) % 3] as number) + injection) | 0;
    }
  }
  return [x0 >>> 0, x1 >>> 0];
}

/** The largest seed: seeds are whole numbers that a double holds exactly. */
export const MAX_SEED = Number.MAX_SAFE_INTEGER;

/**
 * Standard normal latents, one row per seed.
 *
 * @param seeds m whole numbers in 0..2^53 − 1
 * @param zDim length of a latent, 1..4096
 * @returns [m, zDim], row by row
 * @throws FoilbankError FB_OPTION_INVALID for a seed out of range
 */
export function latents(seeds: ArrayLike<number>, zDim: number): Float32Array {
  const z = new Float32Array(seeds.length * zDim);
  for (let row = 0; row < seeds.length; row++) {
    const seed = seeds[row] as number;
    if (!Number.isSafeInteger(seed) || seed < 0)
      throw new FoilbankError('FB_OPTION_INVALID', {
        option: 'seed',
        value: seed,
        expected: `a whole number from 0 to ${MAX_SEED}`,
      });
    fillLatent(z, row * zDim, zDim, [seed >>> 0, Math.floor(seed / 2 ** 32)]);
  }
  return z;
}

function fillLatent(z: Float32Array, offset: number, zDim: number, key: readonly [number, number]): void {
  for (let i = 0; i < zDim; i += 2) {
    const [a, b] = threefry2x32(key, [i >>> 1, 0]);
    const radius = Math.sqrt(-2 * Math.log(uniform(a)));
    const angle = 2 * Math.PI * uniform(b);
    z[offset + i] = radius * Math.cos(angle);
    if (i + 1 < zDim) z[offset + i + 1] = radius * Math.sin(angle);
  }
}

/** The middle of the bits' interval: never 0, never 1. */
const uniform = (bits: number): number => (bits + 0.5) / 2 ** 32;
