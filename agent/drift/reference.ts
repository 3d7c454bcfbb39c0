/** What the parts looked like that a head was trained on: where each label lies, and how far its parts spread. */
import { setImmediate as otherWork } from 'node:timers/promises';
import { type HeadWeights, hellinger, probabilitiesOf } from '../../models/head.ts';

export interface Reference {
  /** [K][D], the mean example of each label, transformed; undefined where the head knows none of it. */
  readonly means: readonly (Float64Array | undefined)[];
  /** [K], examples of each label. */
  readonly counts: readonly number[];
  /** Variance of the examples around the mean of their label, summed over the features: tr(Σ). */
  readonly spread: number;
  /** tr(Σ²) / tr(Σ)²: one over the number of directions in which the examples really spread. */
  readonly concentration: number;
  /** [D] → the features as the head transforms them, and the label it takes them for. */
  place(features: Float32Array): { readonly transformed: Float32Array; readonly label: number };
}

/** Fewer examples tell nothing of how far parts spread. */
const leastExamples = 8;
/** Examples looked at between two looks at other work: a frame must not wait for the reference. */
const atOnce = 25;
/** Examples from whose pairs tr(Σ²) is estimated. */
const mostPaired = 40;

/**
 * Examples count for the label that the head gives them, as parts do later: both sides are sorted by the same rule.
 * Some hundred of them take tens of ms, in small bites.
 * @returns undefined for a head that knows too few of its examples
 */
export async function referenceOf(head: HeadWeights): Promise<Reference | undefined> {
  const { exemplars = [], labels } = head;
  if (exemplars.length < leastExamples) return undefined;
  const placed: { readonly row: Float32Array; readonly label: number }[] = [];
  for (const row of exemplars) {
    if (placed.length % atOnce === 0) await otherWork();
    // An example is transformed already: t(x) of x = sign(t)·t² is t again, since t has length 1.
    const features = row.map((value) => value * Math.abs(value));
    placed.push({ row, label: argmax(probabilitiesOf(head, features)) });
  }
  const counts = labels.map((_, k) => placed.filter(({ label }) => label === k).length);
  const freedom = exemplars.length - counts.filter((count) => count > 0).length;
  if (freedom < leastExamples / 2) return undefined;
  const means = labels.map((_, k) => meanOf(placed.flatMap(({ row, label }) => (label === k ? [row] : []))));
  const residuals = placed.map(({ row, label }) => row.map((value, d) => value - means[label]![d]!));
  const spread = residuals.reduce((sum, row) => sum + dot(row, row), 0) / freedom;
  if (!(spread > 0)) return undefined;
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
  const step = Math.max(1, residuals.length / mostPaired);
  const chosen = residuals.filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step));
  let sum = 0;
  let pairs = 0;
  chosen.forEach((a, i) => {
    for (const b of chosen.slice(0, i)) {
      sum += dot(a, b) ** 2;
      pairs++;
    }
  });
  return Math.min(1, sum / pairs / spread ** 2);
}

function meanOf(rows: readonly Float32Array[]): Float64Array | undefined {
  const [first] = rows;
  if (!first) return undefined;
  const mean = new Float64Array(first.length);
  for (const row of rows) for (let d = 0; d < mean.length; d++) mean[d]! += row[d]! / rows.length;
  return mean;
}

function argmax(values: readonly number[]): number {
  return values.indexOf(Math.max(...values));
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let d = 0; d < a.length; d++) sum += a[d]! * b[d]!;
  return sum;
}
