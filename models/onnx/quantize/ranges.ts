/** Chooses the range that the 256 levels of a tensor cover. */
import { bins, type Histogram } from './histogram.ts';

export const methods = ['minmax', 'percentile', 'entropy'] as const;
export type Method = (typeof methods)[number];

/** Values outside are clipped. Always includes 0, so that padding and ReLU are exact. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

/** Share of the values that the method percentile covers, on each side. */
const kept = 0.9999;
/** Number of levels for the positive values of a signed and of an unsigned tensor. */
const halfLevels = 128;
const allLevels = 256;

export function rangeOf(histogram: Histogram, method: Method): Range {
  const { min, max } = histogram;
  if (method === 'minmax' || histogram.limit === 0) return { min, max };
  if (method === 'percentile') {
    const allowed = (1 - kept) * (sum(histogram.positive) + sum(histogram.negative));
    return {
      min: Math.max(min, -reachOf(histogram.negative, histogram.limit, allowed)),
      max: Math.min(max, reachOf(histogram.positive, histogram.limit, allowed)),
    };
  }
  const isSigned = min < 0;
  const sizes = isSigned ? histogram.positive.map((n, i) => n + histogram.negative[i]!) : histogram.positive;
  const clip = (entropyBin(sizes, isSigned ? halfLevels : allLevels) * histogram.limit) / bins;
  return { min: Math.max(min, -clip), max: Math.min(max, clip) };
}

/** Upper edge of the bin beyond which there are at most `allowed` values. */
function reachOf(counts: Float64Array, limit: number, allowed: number): number {
  let beyond = 0;
  for (let i = bins - 1; i >= 0; i--) {
    beyond += counts[i]!;
    if (beyond > allowed) return ((i + 1) * limit) / bins;
  }
  return 0;
}

/** Replaces 0 in the divisor if values were clipped into an empty level. */
const epsilon = 1e-4;

/**
 * The bin at which clipping loses the least information: minimises the Kullback-Leibler divergence of the clipped distribution,
 * with outliers added to the last bin, from the same distribution quantized to `levels` levels (Migacz, "8-bit inference with TensorRT", GTC 2017).
 * @param counts histogram of magnitudes @returns number of bins to keep; at least `levels` if that many are used
 */
export function entropyBin(counts: Float64Array, levels: number): number {
  let last = counts.length;
  while (last > 0 && counts[last - 1] === 0) last--;
  // Ignores exact zeros: ReLU produces many of them, they are represented exactly, and they would dominate the result.
  const inner = Float64Array.from(counts);
  inner[0] = inner[1] ?? 0;
  const total = sum(inner);
  let best = last;
  let lowest = Number.POSITIVE_INFINITY;
  let within = sum(inner.subarray(0, levels - 1));
  for (let end = levels; end <= last; end++) {
    within += inner[end - 1]!;
    const divergence = divergenceAt(inner, end, levels, total - within, total);
    if (divergence < lowest) {
      lowest = divergence;
      best = end;
    }
  }
  return best;
}

function divergenceAt(
  counts: Float64Array,
  end: number,
  levels: number,
  outliers: number,
  total: number,
): number {
  if (outliers >= total) return Number.POSITIVE_INFINITY;
  let divergence = 0;
  const width = end / levels;
  for (let level = 0; level < levels; level++) {
    const from = Math.floor(level * width);
    const to = level === levels - 1 ? end : Math.floor((level + 1) * width);
    let mass = 0;
    let used = 0;
    for (let i = from; i < to; i++) {
      mass += counts[i]!;
      // The mass of a level is distributed evenly over its nonempty bins.
      if (counts[i]! > 0 || (i === end - 1 && outliers > 0)) used++;
    }
    for (let i = from; i < to; i++) {
      const p = counts[i]! + (i === end - 1 ? outliers : 0);
      if (p > 0) divergence += (p / total) * Math.log(p / Math.max(mass / used, epsilon));
    }
  }
  // The quantized distribution lacks the outliers: normalises both to the same total.
  return divergence + Math.log((total - outliers) / total);
}

const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0);
