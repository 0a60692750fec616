export interface Spread {
  readonly mean: number;
  /** Population standard deviation (divided by the count, as numpy.std does), ≥ 0. */
  readonly deviation: number;
}

/** Mean and standard deviation in two passes of double precision. No values: both NaN. */
export function spreadOf(values: Float32Array): Spread {
  const count = values.length;
  let sum = 0;
  for (let i = 0; i < count; i++) sum += values[i]!;
  const mean = sum / count;
  let square = 0;
  for (let i = 0; i < count; i++) square += (values[i]! - mean) ** 2;
  return { mean, deviation: Math.sqrt(square / count) };
}
