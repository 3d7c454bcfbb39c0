/** From what occurs in a tensor to the range that its 256 levels cover. */
import { bins, type Histogram } from './histogram.ts';

export const methods = ['minmax', 'percentile', 'entropy'] as const;
export type Method = (typeof methods)[number];

/** Values outside are clipped. Always holds 0, so that padding and ReLU are exact. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

/** Share of the values that percentile keeps, counted on each side. */
const kept = 0.9999;
/** Levels that stand for the positive values of a signed tensor, and for those of one without negative ones. */
const halfLevels = 128;
const allLevels = 256;

export function rangeOf(histogram: Histogram, method: Method): Range {
  const { min, max } = histogram;
  if (method === 'minmax' || histogram.limit === 0) return { min, max };
  if (method === 'percentile') {
    const most = (1 - kept) * (sum(histogram.positive) + sum(histogram.negative));
    return {
      min: Math.max(min, -reachOf(histogram.negative, histogram.limit, most)),
      max: Math.min(max, reachOf(histogram.positive, histogram.limit, most)),
    };
  }
  const isSigned = min < 0;
  const sizes = isSigned ? histogram.positive.map((n, i) => n + histogram.negative[i]!) : histogram.positive;
  const clip = (entropyBin(sizes, isSigned ? halfLevels : allLevels) * histogram.limit) / bins;
  return { min: Math.max(min, -clip), max: Math.min(max, clip) };
}

/** Upper edge of the bin beyond which at most `most` values lie. */
function reachOf(counts: Float64Array, limit: number, most: number): number {
  let beyond = 0;
  for (let i = bins - 1; i >= 0; i--) {
    beyond += counts[i]!;
    if (beyond > most) return ((i + 1) * limit) / bins;
  }
  return 0;
}

/** Stands for nothing where something was clipped into an empty level. */
const smallest = 1e-4;

/**
 * The bin at which clipping costs least information: the divergence (Kullback and Leibler) of the clipped distribution, its
 * outliers added to the last bin, from the same one told in `levels` levels (Migacz, "8-bit inference with TensorRT", GTC 2017).
 * @param counts how often each bin of sizes occurs @returns how many bins are kept, at least `levels` where so many are used
 */
export function entropyBin(counts: Float64Array, levels: number): number {
  let last = counts.length;
  while (last > 0 && counts[last - 1] === 0) last--;
  // Exact zeros, which ReLU makes in plenty and which are told exactly, would hide all else.
  const inner = Float64Array.from(counts);
  inner[0] = inner[1] ?? 0;
  const total = sum(inner);
  let best = last;
  let least = Number.POSITIVE_INFINITY;
  let within = sum(inner.subarray(0, levels - 1));
  for (let end = levels; end <= last; end++) {
    within += inner[end - 1]!;
    const divergence = divergenceAt(inner, end, levels, total - within, total);
    if (divergence < least) {
      least = divergence;
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
      // A level's mass is told evenly over those of its bins that have something in them.
      if (counts[i]! > 0 || (i === end - 1 && outliers > 0)) used++;
    }
    for (let i = from; i < to; i++) {
      const p = counts[i]! + (i === end - 1 ? outliers : 0);
      if (p > 0) divergence += (p / total) * Math.log(p / Math.max(mass / used, smallest));
    }
  }
  // The told distribution lacks the outliers: brought to the same total.
  return divergence + Math.log((total - outliers) / total);
}

const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0);
