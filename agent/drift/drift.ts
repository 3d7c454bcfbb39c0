/**
 * Measures how far the parts of one camera have moved away from the training parts of the head.
 *
 * The features of each part are compared with the mean example of its predicted label, so that a higher rate of defects
 * alone is not drift. The squared length of the mean difference δ is estimated without bias by the two-sample statistic of
 * Chen and Qin ("A two-sample test for high-dimensional data", Annals of Statistics 38, 2010): products of different parts
 * only, minus the uncertainty of the examples' mean. It is the squared MMD with a linear kernel (Gretton et al., JMLR 13,
 * 2012). Newer parts have a higher weight, as in an EWMA control chart (NIST/SEMATECH e-Handbook, 6.3.2.4).
 *
 *   drift = √(‖δ‖² / tr(Σ) / (tolerance² + 3 s)),   s = √(2 tr(Σ²)) / tr(Σ) · (1/n + Σ wₖ²/mₖ)
 *
 * Σ: how the examples spread around the mean of their label, s: the deviation of ‖δ‖² / tr(Σ) by chance, n: parts that count,
 * wₖ and mₖ: share and examples of label k. At 1 the parts have moved by `tolerance` of their own spread, which chance
 * cannot explain.
 */
import type { Reference } from './reference.ts';

export interface Drift {
  /** Adds one part. @param features [D], pooled features of the base */
  add(features: Float32Array): void;
  /** 0: as in training; 1: the alarm limit; undefined while too few parts were seen. */
  readonly value: number | undefined;
}

/** Tolerated shift of the mean, as a share of the spread. */
export const tolerance = 0.4;
/** Number of parts that are averaged: each starts with the weight 2/(N+1). */
const window = 200;
/** Minimum number of parts. */
const minParts = 30;
/** Tolerated random deviation, in standard deviations. */
const granted = 3;

/** Keeps one mean; memory does not grow with the number of parts. */
export function createDrift({ means, counts, spread, concentration, place }: Reference): Drift {
  const fade = 1 - 2 / (window + 1);
  const size = means.find((mean) => mean !== undefined)!.length;
  /** Σ wᵢ rᵢ */
  const moved = new Float64Array(size);
  /** Σ wᵢ² ‖rᵢ‖² */
  let squares = 0;
  /** [K], Σ wᵢ and Σ wᵢ² of each label. */
  const weights = counts.map(() => 0);
  const weightSquares = counts.map(() => 0);
  let parts = 0;

  return {
    add(features) {
      const { transformed, label } = place(features);
      const mean = means[label];
      if (!mean || transformed.length !== size) return;
      parts++;
      let length = 0;
      for (let d = 0; d < size; d++) {
        const difference = transformed[d]! - mean[d]!;
        moved[d] = moved[d]! * fade + difference;
        length += difference * difference;
      }
      squares = squares * fade * fade + length;
      for (let k = 0; k < weights.length; k++) {
        const own = k === label ? 1 : 0;
        weights[k] = weights[k]! * fade + own;
        weightSquares[k] = weightSquares[k]! * fade * fade + own;
      }
    },
    get value() {
      if (parts < minParts) return undefined;
      const total = sum(weights);
      const ofPairs = total * total - sum(weightSquares);
      const unknown = sum(weights.map((weight, k) => (weight > 0 ? weight ** 2 / counts[k]! : 0)));
      const unknownOfPairs =
        unknown - sum(weightSquares.map((square, k) => (square > 0 ? square / counts[k]! : 0)));
      const shift = sum(moved.map((value) => value * value)) - squares - unknownOfPairs * spread;
      const chance = Math.sqrt(2 * concentration) * ((sum(weightSquares) + unknown) / total ** 2);
      return Math.sqrt(Math.max(0, shift) / ofPairs / spread / (tolerance ** 2 + granted * chance));
    },
  };
}

const sum = (values: readonly number[] | Float64Array) => {
  let total = 0;
  for (const value of values) total += value;
  return total;
};
