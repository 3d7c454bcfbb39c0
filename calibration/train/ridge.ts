/**
 * A linear head in closed form for few labelled images: class-balanced ridge regression on standardised frozen features,
 * solved in the dual (n×n); leave-one-out chooses the penalty and calibrates the probabilities.
 */

import { CholeskyDecomposition, Matrix } from 'ml-matrix';
import { argmax } from '../../models/argmax.ts';
import type { HeadWeights } from '../../models/head.ts';
import { gram, standardise, standardised } from './standardise.ts';
import { type Calibration, calibrate } from './temperature.ts';

export interface RidgeHead extends HeadWeights {
  /** Chosen ridge strength, in units of a feature's variance. */
  readonly strength: number;
  /** Leave-one-out accuracy. */
  readonly looAccuracy: number;
  /** Mean over the classes of the negative log-likelihood, nats. */
  readonly looLoss: number;
}

/** Candidates, in steps of √10. */
const strengths = Array.from({ length: 13 }, (_, i) => 10 ** (-3 + i / 2));

/**
 * Fits a head on raw features, [n][D], and one label each. Deterministic. Blocks for about n³ operations per
 * strength, so use it for at most some hundred images. Throws RangeError for fewer than two labels.
 *
 * Weighted ridge with class weights wᵢ: minimise Σ wᵢ(yᵢ − f(xᵢ))² + λ‖w‖². In the dual α = G⁻¹y with
 * G = K + λW⁻¹, and leaving i out gives yᵢ − αᵢ/(G⁻¹)ᵢᵢ (Rifkin & Lippert, "Notes on Regularized Least
 * Squares", MIT-CSAIL-TR-2007-025).
 */
export function fitRidge(features: readonly Float32Array[], labels: readonly string[]): RidgeHead {
  const classes = [...new Set(labels)].sort();
  const count = features.length;
  const size = features[0]?.length ?? 0;
  if (count !== labels.length || features.some(({ length }) => length !== size)) {
    throw new RangeError(`${count} features of one size need as many labels, got ${labels.length}`);
  }
  if (classes.length < 2) throw new RangeError('images of at least two labels are needed');

  const target = labels.map((label) => classes.indexOf(label));
  const members = classes.map((_, k) => target.filter((t) => t === k).length);
  const weight = target.map((k) => count / (classes.length * members[k]!));

  const { mean, scale } = standardise(features, weight);
  const rows = standardised(features, { mean, scale });
  // Targets are one-hot around their mean; the constant 1 in the kernel is the bias.
  const kernel = gram(rows, size);
  const targets = new Matrix(
    target.map((t) => classes.map((_, k) => (k === t ? 1 : 0) - 1 / classes.length)),
  );

  let best: { strength: number; alpha: Matrix; fit: Calibration; scores: Matrix } | undefined;
  for (const strength of strengths) {
    const system = kernel.clone();
    for (let i = 0; i < count; i++) system.set(i, i, system.get(i, i) + strength / weight[i]!);
    const inverse = new CholeskyDecomposition(system).solve(Matrix.eye(count));
    const alpha = inverse.mmul(targets);
    const scores = Matrix.zeros(count, classes.length);
    for (let i = 0; i < count; i++) {
      for (let k = 0; k < classes.length; k++) {
        scores.set(i, k, targets.get(i, k) - alpha.get(i, k) / inverse.get(i, i));
      }
    }
    const fit = calibrate(scores.to2DArray(), target, weight);
    if (!best || fit.loss < best.fit.loss) best = { strength, alpha, fit, scores };
  }
  const { strength, alpha, fit, scores } = best!;

  // w = Xᵀα / D, with the standardisation folded in so that the head accepts raw features.
  const weights = new Float64Array(classes.length * size);
  const bias = new Float64Array(classes.length);
  for (let k = 0; k < classes.length; k++) {
    let constant = 1 / classes.length;
    for (let i = 0; i < count; i++) constant += alpha.get(i, k);
    for (let d = 0; d < size; d++) {
      let sum = 0;
      for (let i = 0; i < count; i++) sum += alpha.get(i, k) * rows[i]![d]!;
      weights[k * size + d] = (sum / size) * scale[d]!;
      constant -= weights[k * size + d]! * mean[d]!;
    }
    bias[k] = constant;
  }
  const right = target.filter((k, i) => argmax(scores.getRow(i)) === k).length;
  return {
    labels: classes,
    weights,
    bias,
    temperature: fit.temperature,
    strength,
    looAccuracy: right / count,
    looLoss: fit.loss,
  };
}
