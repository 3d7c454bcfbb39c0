/** Standardises features and computes their Gram matrix. */
import { Matrix } from 'ml-matrix';

export interface Standardisation {
  readonly mean: Float64Array;
  /** Inverse standard deviation. */
  readonly scale: Float64Array;
}

/** Weighted mean and inverse weighted standard deviation; 0 for a constant feature. */
export function standardise(features: readonly Float32Array[], weight: ArrayLike<number>): Standardisation {
  const size = features[0]!.length;
  const total = features.reduce((sum, _, i) => sum + weight[i]!, 0);
  const mean = new Float64Array(size);
  const scale = new Float64Array(size);
  features.forEach((row, i) => {
    for (let d = 0; d < size; d++) mean[d]! += (row[d]! * weight[i]!) / total;
  });
  features.forEach((row, i) => {
    for (let d = 0; d < size; d++) scale[d]! += ((row[d]! - mean[d]!) ** 2 * weight[i]!) / total;
  });
  for (let d = 0; d < size; d++) scale[d] = scale[d]! > 1e-12 ? 1 / Math.sqrt(scale[d]!) : 0;
  return { mean, scale };
}

/** The rows, standardised. */
export function standardised(
  features: readonly Float32Array[],
  { mean, scale }: Standardisation,
): Float32Array[] {
  return features.map((row) => row.map((value, d) => (value - mean[d]!) * scale[d]!));
}

/** K = XXᵀ / D + 1, [n,n]; the constant represents the bias. */
export function gram(rows: readonly Float32Array[], size: number): Matrix {
  const kernel = Matrix.zeros(rows.length, rows.length);
  rows.forEach((a, i) => {
    for (let j = 0; j <= i; j++) {
      const b = rows[j]!;
      let dot = 0;
      for (let d = 0; d < size; d++) dot += a[d]! * b[d]!;
      kernel.set(i, j, dot / size + 1);
      kernel.set(j, i, dot / size + 1);
    }
  });
  return kernel;
}
