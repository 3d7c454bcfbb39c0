/**
 * How far the parts of one camera have moved away from those that the head was trained on.
 *
 * Each part's features are compared with the mean example of the label it is taken for, so that more defects alone are no
 * drift. The squared length of the mean difference δ is estimated without bias by the two-sample statistic of Chen and Qin
 * ("A two-sample test for high-dimensional data", Annals of Statistics 38, 2010): products of different parts only, less
 * what the few examples do not know of their own mean. It is the squared MMD with a linear kernel (Gretton et al., JMLR 13,
 * 2012). Newer parts weigh more, as in an EWMA control chart (NIST/SEMATECH e-Handbook, 6.3.2.4).
 *
 *   drift = √(‖δ‖² / tr(Σ) / (tolerance² + 3 s)),   s = √(2 tr(Σ²)) / tr(Σ) · (1/n + Σ wₖ²/mₖ)
 *
 * Σ: how the examples spread around the mean of their label, s: the deviation of ‖δ‖² / tr(Σ) by chance, n: parts that count,
 * wₖ and mₖ: share and examples of label k. At 1 the parts have moved by `tolerance` of their own spread and chance is out of
 * the question.
 */
import type { Reference } from './reference.ts';

export interface Drift {
  /** One part more. @param features [D], pooled features of the base */
  add(features: Float32Array): void;
  /** 0: as in training; 1: the limit from which it is worth an alarm; undefined while too few parts were seen. */
  readonly value: number | undefined;
}

/** A mean that has moved by this share of the spread. */
export const tolerance = 0.4;
/** Parts over which is averaged: each weighs 2/(N+1) at first. */
const window = 200;
/** Fewer say nothing. */
const minParts = 30;
/** Deviations by chance that are granted. */
const granted = 3;

/** Keeps one mean, whatever is added. */
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
