/** Uniform in [0, 1): SplitMix32, whose finaliser is MurmurHash3's. The same seed gives the same numbers. */
export function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    return mixed(state) / 2 ** 32;
  };
}

/** 32 well mixed bits of a text and a seed (FNV-1a, finished like MurmurHash3). */
export function hashOf(text: string, seed: number): number {
  let hash = 0x811c9dc5 ^ mixed(seed);
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mixed(hash);
}

function mixed(state: number): number {
  let x = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** The numbers 0 to n − 1 in a random order (Fisher–Yates). */
export function shuffled(n: number, seed: number): Uint32Array {
  const random = randomFrom(seed);
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const held = order[i]!;
    order[i] = order[j]!;
    order[j] = held;
  }
  return order;
}
