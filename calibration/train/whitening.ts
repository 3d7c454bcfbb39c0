/**
 * Kernel PCA with whitening: the principal directions of labelled parts, scaled by the variation within labels. Works on inner
 * products of parts instead of features, because there are far fewer parts than features.
 */
import { CholeskyDecomposition, EigenvalueDecomposition, Matrix } from 'ml-matrix';

export interface Whitening {
  readonly rank: number;
  /** [r,m]: maps inner products with the m members, centred on their mean, to w, divided by √r. */
  readonly axes: Matrix;
  /** w of each row of the kernel, members or not: [n,r]. */
  readonly rows: Matrix;
  /** Mean w of each label of the members: [C,r]. */
  readonly means: Matrix;
}

/** Share of the degrees of freedom within labels that is used as directions; the rest is noise. */
const keptDirections = 0.9;
/** Maximum number of directions: each costs time for every part, and more than 200 add little (docs/benchmarks.md). */
const maxDirections = 256;
/** Directions with a smaller variance than this share of the first one are rounding errors. */
const minVariance = 1e-6;

/**
 * Principal directions of some rows of a kernel.
 * @param kernel [n,n], inner products of all rows
 * @param members rows that define the directions; the others are only projected
 * @param label of each row
 * @returns a function from shrinkage to the whitening: the covariance within labels is shrunk towards an isotropic one, which is
 *   necessary with few parts (Friedman, "Regularized discriminant analysis", JASA 84, 1989); undefined if the rows do not differ
 */
export function principalDirections(
  kernel: Matrix,
  members: readonly number[],
  label: readonly string[],
): ((shrinkage: number) => Whitening) | undefined {
  const count = members.length;
  const labels = [...new Set(members.map((i) => label[i]!))];
  const freedom = count - labels.length;
  const centred = centredOn(kernel, members);
  const own = centred.selection([...members], range(count));
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(own, { assumeSymmetric: true });
  const order = range(count).sort((a, b) => realEigenvalues[b]! - realEigenvalues[a]!);
  const first = realEigenvalues[order[0]!]!;
  const rank = Math.min(
    Math.max(1, Math.floor(keptDirections * freedom)),
    maxDirections,
    order.filter((i) => realEigenvalues[i]! > minVariance * first).length,
  );
  if (!(first > 1e-9) || freedom < 2) return undefined;
  const directions = Matrix.zeros(count, rank);
  for (let r = 0; r < rank; r++) {
    const from = order[r]!;
    const length = Math.sqrt(realEigenvalues[from]!);
    for (let i = 0; i < count; i++) directions.set(i, r, eigenvectorMatrix.get(i, from) / length);
  }
  const projected = centred.mmul(directions);
  const labelOf = members.map((i) => labels.indexOf(label[i]!));
  const means = meansOf(projected.subMatrixRow([...members]), labelOf, labels.length);
  const residual = Matrix.zeros(count, rank);
  members.forEach((row, i) => {
    for (let r = 0; r < rank; r++) residual.set(i, r, projected.get(row, r) - means.get(labelOf[i]!, r));
  });
  const within = residual.transpose().mmul(residual).div(freedom);
  const isotropic = within.trace() / rank;

  return (shrinkage) => {
    const mixed = Matrix.mul(within, 1 - shrinkage);
    for (let r = 0; r < rank; r++) mixed.set(r, r, mixed.get(r, r) + shrinkage * isotropic);
    // Σ = LLᵀ: |L⁻¹x|² is the Mahalanobis distance, divided by the rank so that spaces of different rank are comparable.
    const whiten = inverseOfLower(new CholeskyDecomposition(mixed).lowerTriangularMatrix).div(
      Math.sqrt(rank),
    );
    const transposed = whiten.transpose();
    return {
      rank,
      axes: whiten.mmul(directions.transpose()),
      rows: projected.mmul(transposed),
      means: means.mmul(transposed),
    };
  };
}

/** [n,m]: inner products with the members, centred on the mean of the members. */
function centredOn(kernel: Matrix, members: readonly number[]): Matrix {
  const columns = kernel.selection(range(kernel.rows), [...members]);
  const rowMean = columns.mean('row');
  const memberMean = members.map((i) => rowMean[i]!);
  const mean = memberMean.reduce((sum, value) => sum + value, 0) / members.length;
  return columns.subColumnVector(rowMean).subRowVector(memberMean).add(mean);
}

function meansOf(rows: Matrix, labelOf: readonly number[], labels: number): Matrix {
  const means = Matrix.zeros(labels, rows.columns);
  const counts = new Array<number>(labels).fill(0);
  for (const k of labelOf) counts[k]!++;
  labelOf.forEach((k, i) => {
    for (let r = 0; r < rows.columns; r++) means.set(k, r, means.get(k, r) + rows.get(i, r) / counts[k]!);
  });
  return means;
}

/** L⁻¹, column by column. */
function inverseOfLower(lower: Matrix): Matrix {
  const size = lower.rows;
  const inverse = Matrix.zeros(size, size);
  for (let j = 0; j < size; j++) {
    inverse.set(j, j, 1 / lower.get(j, j));
    for (let i = j + 1; i < size; i++) {
      let sum = 0;
      for (let k = j; k < i; k++) sum -= lower.get(i, k) * inverse.get(k, j);
      inverse.set(i, j, sum / lower.get(i, i));
    }
  }
  return inverse;
}

const range = (count: number) => Array.from({ length: count }, (_, i) => i);
