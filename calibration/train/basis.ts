/** The span of the training images as a basis for linear heads. */
import { CholeskyDecomposition } from 'ml-matrix';
import { gram, type Standardisation, standardise, standardised } from './standardise.ts';

export interface Basis {
  /** [n,r], row-major: one row per image. Inner products of rows equal those of the standardised features. */
  readonly rows: Float32Array;
  readonly rank: number;
  /** Coefficients in the basis, [r,K], → weights [K,D] and bias [K] for raw features. */
  unfold(coefficients: Float32Array, classes: number): { weights: Float64Array; bias: Float64Array };
}

/** Added to the diagonal for numerical stability of the factorisation; at most a thousandth of a feature's variance. */
const jitter = 1e-5;

/**
 * With fewer images than features, the optimum of a linear head with an L2 penalty lies in the span of the images
 * (representer theorem; Schölkopf, Herbrich, Smola 2001): K = LLᵀ gives n coordinates per image instead of D, and
 * all folds of a cross-validation share them. With more images the features themselves are the basis.
 * @param blocks sizes of blocks of features; each block has the same total weight. Default: one block
 */
export function basisOf(
  features: readonly Float32Array[],
  weight: ArrayLike<number>,
  blocks: readonly number[] = [features[0]!.length],
): Basis {
  const size = features[0]!.length;
  const { mean, scale } = standardise(features, weight);
  const even = blocks.flatMap((block) => Array<number>(block).fill(Math.sqrt(size / block)));
  const scaling = { mean, scale: scale.map((value, d) => value * even[d]!) };
  const rows = standardised(features, scaling);
  return features.length <= size ? dual(rows, size, scaling) : primal(rows, size, scaling);
}

function dual(rows: readonly Float32Array[], size: number, scaling: Standardisation): Basis {
  const count = rows.length;
  const kernel = gram(rows, size);
  for (let i = 0; i < count; i++) kernel.set(i, i, kernel.get(i, i) + jitter);
  const lower = new CholeskyDecomposition(kernel).lowerTriangularMatrix.to2DArray();
  const flat = new Float32Array(count * count);
  lower.forEach((row, i) => {
    flat.set(row, i * count);
  });
  return {
    rows: flat,
    rank: count,
    unfold(coefficients, classes) {
      // Solves Lᵀα = β by back substitution; w = Xᵀα.
      const alpha = Array.from({ length: classes }, () => new Float64Array(count));
      for (let k = 0; k < classes; k++) {
        for (let i = count - 1; i >= 0; i--) {
          let sum = coefficients[i * classes + k]!;
          for (let j = i + 1; j < count; j++) sum -= lower[j]![i]! * alpha[k]![j]!;
          alpha[k]![i] = sum / lower[i]![i]!;
        }
      }
      const direct = alpha.map((column) => {
        const weights = new Float64Array(size);
        let constant = 0;
        column.forEach((a, i) => {
          constant += a;
          for (let d = 0; d < size; d++) weights[d]! += (a * rows[i]![d]!) / size;
        });
        return { weights, constant };
      });
      return fold(direct, size, scaling);
    },
  };
}

function primal(rows: readonly Float32Array[], size: number, scaling: Standardisation): Basis {
  const rank = size + 1;
  const root = Math.sqrt(size);
  const flat = new Float32Array(rows.length * rank);
  rows.forEach((row, i) => {
    for (let d = 0; d < size; d++) flat[i * rank + d] = row[d]! / root;
    flat[i * rank + size] = 1;
  });
  return {
    rows: flat,
    rank,
    unfold(coefficients, classes) {
      const direct = Array.from({ length: classes }, (_, k) => ({
        weights: Float64Array.from({ length: size }, (_, d) => coefficients[d * classes + k]! / root),
        constant: coefficients[size * classes + k]!,
      }));
      return fold(direct, size, scaling);
    },
  };
}

/** Folds the standardisation into weights and bias, so that the head accepts raw features. */
function fold(
  direct: readonly { weights: Float64Array; constant: number }[],
  size: number,
  { mean, scale }: Standardisation,
): { weights: Float64Array; bias: Float64Array } {
  const weights = new Float64Array(direct.length * size);
  const bias = new Float64Array(direct.length);
  direct.forEach((one, k) => {
    let constant = one.constant;
    for (let d = 0; d < size; d++) {
      const value = one.weights[d]! * scale[d]!;
      weights[k * size + d] = value;
      constant -= value * mean[d]!;
    }
    bias[k] = constant;
  });
  return { weights, bias };
}
