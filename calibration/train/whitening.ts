/**
 * The directions in which labelled parts differ, and how far parts of one label spread in each. Works on inner products of
 * parts, not on features: parts are far fewer than features.
 */
import { CholeskyDecomposition, EigenvalueDecomposition, Matrix } from 'ml-matrix';

export interface Whitening {
  readonly rank: number;
  /** [r,m]: inner products with the m members, as centred by `centre` of them → w, over √r. */
  readonly axes: Matrix;
  /** w of each row of the kernel, members or not: [n,r]. */
  readonly rows: Matrix;
  /** Mean w of each label of the members: [C,r]. */
  readonly means: Matrix;
}

/** Of the directions that parts of one label leave, the last tenth is noise. */
const keptDirections = 0.9;
/** More directions cost time at each part; beyond 200 they add little (docs/benchmarks.md). */
const mostDirections = 256;
/** Directions with less of the variance than this share of the first are rounding errors. */
const leastVariance = 1e-6;

/**
 * Principal directions of some rows of a kernel.
 * @param kernel [n,n], inner products of all rows
 * @param members rows that count; the others are only placed
 * @param label of each row
 * @returns what whitens them, for a shrinkage: the covariance within labels is mixed with so much of a round one, which a
 *   few parts need (Friedman, "Regularized discriminant analysis", JASA 84, 1989); undefined where the rows do not differ
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
    mostDirections,
    order.filter((i) => realEigenvalues[i]! > leastVariance * first).length,
  );
  if (!(first > 1e-9) || freedom < 2) return undefined;
  const directions = Matrix.zeros(count, rank);
  for (let r = 0; r < rank; r++) {
    const from = order[r]!;
    const length = Math.sqrt(realEigenvalues[from]!);
    for (let i = 0; i < count; i++) directions.set(i, r, eigenvectorMatrix.get(i, from) / length);
  }
  const places = centred.mmul(directions);
  const labelOf = members.map((i) => labels.indexOf(label[i]!));
  const means = meansOf(places.subMatrixRow([...members]), labelOf, labels.length);
  const apart = Matrix.zeros(count, rank);
  members.forEach((row, i) => {
    for (let r = 0; r < rank; r++) apart.set(i, r, places.get(row, r) - means.get(labelOf[i]!, r));
  });
  const within = apart.transpose().mmul(apart).div(freedom);
  const round = within.trace() / rank;

  return (shrinkage) => {
    const mixed = Matrix.mul(within, 1 - shrinkage);
    for (let r = 0; r < rank; r++) mixed.set(r, r, mixed.get(r, r) + shrinkage * round);
    // Σ = LLᵀ: |L⁻¹x|² is the Mahalanobis distance; over the rank, so that spaces of different rank compare.
    const whiten = inverseOfLower(new CholeskyDecomposition(mixed).lowerTriangularMatrix).div(
      Math.sqrt(rank),
    );
    const turned = whiten.transpose();
    return {
      rank,
      axes: whiten.mmul(directions.transpose()),
      rows: places.mmul(turned),
      means: means.mmul(turned),
    };
  };
}

/** [n,m]: inner products with the members, all taken from the mean of the members. */
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
