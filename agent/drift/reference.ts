/** Statistics of the training parts of a head: the mean of each label, and the spread of its parts. */

import { setImmediate as otherWork } from 'node:timers/promises';
import { spacedOut } from '../../calibration/train/draw.ts';
import { argmax } from '../../models/argmax.ts';
import { type HeadWeights, hellinger, probabilitiesOf } from '../../models/head.ts';

export interface Reference {
  /** [K][D], the mean example of each label, transformed; undefined for a label without examples. */
  readonly means: readonly (Float64Array | undefined)[];
  /** [K], examples of each label. */
  readonly counts: readonly number[];
  /** Variance of the examples around the mean of their label, summed over the features: tr(Σ). */
  readonly spread: number;
  /** tr(Σ²) / tr(Σ)²: the inverse of the effective number of dimensions of the examples. */
  readonly concentration: number;
  /** [D] → the features as transformed by the head, and its predicted label. */
  place(features: Float32Array): { readonly transformed: Float32Array; readonly label: number };
}

/** Minimum number of examples to measure the spread. */
const minExamples = 8;
/** Examples processed before yielding to other work: a frame must not wait for the reference. */
const atOnce = 10;
/** Number of examples whose pairs estimate tr(Σ²). */
const maxPaired = 40;

/**
 * Examples count for the label that the head predicts, as parts do later: the same rule for both. Some hundred examples
 * take tens of ms, in small steps.
 * @returns undefined for a head with too few examples
 */
export async function referenceOf(head: HeadWeights): Promise<Reference | undefined> {
  const { exemplars = [], labels } = head;
  const size = exemplars[0]?.length ?? 0;
  const sums = labels.map(() => new Float64Array(size));
  const counts = labels.map(() => 0);
  const labelOf: number[] = [];
  let squares = 0;
  for (const row of exemplars) {
    if (labelOf.length % atOnce === 0) await otherWork();
    // The stored example is already transformed: t(x) of x = sign(t)·t² is t again, because t has length 1.
    const features = row.map((value) => value * Math.abs(value));
    const label = argmax(probabilitiesOf(head, features));
    labelOf.push(label);
    counts[label]!++;
    const sum = sums[label]!;
    for (let d = 0; d < size; d++) {
      sum[d]! += row[d]!;
      squares += row[d]! * row[d]!;
    }
  }
  const freedom = exemplars.length - counts.filter((count) => count > 0).length;
  if (exemplars.length < minExamples || freedom < minExamples / 2) return undefined;
  const means = sums.map((sum, k) => (counts[k]! > 0 ? sum.map((value) => value / counts[k]!) : undefined));
  // Σ‖t − μ‖² = Σ‖t‖² − Σ mₖ‖μₖ‖²
  const explained = means.reduce((sum, mean, k) => sum + (mean ? counts[k]! * dot(mean, mean) : 0), 0);
  const spread = (squares - explained) / freedom;
  if (!(spread > 1e-9)) return undefined;
  const residuals = spacedOut([...exemplars.keys()], maxPaired).map((i) =>
    exemplars[i]!.map((value, d) => value - means[labelOf[i]!]![d]!),
  );
  await otherWork();
  return {
    means,
    counts,
    spread,
    concentration: concentrationOf(residuals, spread),
    place(features) {
      const transformed = hellinger(features);
      return { transformed, label: argmax(probabilitiesOf(head, features)) };
    },
  };
}

/** tr(Σ²) is the mean of (rᵢ·rⱼ)² over pairs i ≠ j (Chen and Qin 2010, section 3). */
function concentrationOf(residuals: readonly Float32Array[], spread: number): number {
  let sum = 0;
  let pairs = 0;
  residuals.forEach((a, i) => {
    for (const b of residuals.slice(0, i)) {
      sum += dot(a, b) ** 2;
      pairs++;
    }
  });
  return Math.min(1, sum / pairs / spread ** 2);
}

function dot(a: Float32Array | Float64Array, b: Float32Array | Float64Array): number {
  let sum = 0;
  for (let d = 0; d < a.length; d++) sum += a[d]! * b[d]!;
  return sum;
}
