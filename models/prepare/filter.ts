/**
 * The weights of Pillow's `resize(BILINEAR)`: the antialiased filter of its src/libImaging/Resample.c (12.x) on 8-bit samples,
 * integer weights of 22 bits.
 */

/** PRECISION_BITS in Resample.c: 32 bits less 8 for the result and 2 for overflow. */
export const precisionBits = 22;

/** For each output position: where its window starts, how long it is, and its weights in 22-bit fixed point. */
export interface Filter {
  readonly from: number;
  readonly first: Int32Array;
  readonly count: Int32Array;
  /** [to·stride] */
  readonly weights: Int32Array;
  readonly stride: number;
}

/** `precompute_coeffs` and `normalize_coeffs_8bpc` of Resample.c for the triangle filter, support 1. */
export function makeFilter(from: number, to: number): Filter {
  const scale = from / to;
  const filterScale = Math.max(scale, 1);
  const stride = Math.ceil(filterScale) * 2 + 1;
  const first = new Int32Array(to);
  const count = new Int32Array(to);
  const weights = new Int32Array(to * stride);
  const window = new Float64Array(stride);
  for (let at = 0; at < to; at++) {
    const center = (at + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - filterScale + 0.5));
    const length = Math.min(from, Math.trunc(center + filterScale + 0.5)) - start;
    let sum = 0;
    for (let i = 0; i < length; i++) {
      const distance = Math.abs((i + start - center + 0.5) * (1 / filterScale));
      window[i] = distance < 1 ? 1 - distance : 0;
      sum += window[i]!;
    }
    for (let i = 0; i < length; i++) {
      const weight = sum === 0 ? window[i]! : window[i]! / sum;
      weights[at * stride + i] = Math.trunc(0.5 + weight * 2 ** precisionBits);
    }
    first[at] = start;
    count[at] = length;
  }
  return { from, first, count, weights, stride };
}
