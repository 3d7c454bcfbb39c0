/** Cells of the maps of a base's stages, as rows. */
import type { FeatureMap } from '../../models/run/runner.ts';

/** The cells of a map as rows, [cells][channels] row-major; cell y·width + x. */
export function cellsOf({ data, channels }: FeatureMap): Float32Array {
  const cells = data.length / channels;
  const rows = new Float32Array(data.length);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < cells; i++) rows[i * channels + c] = data[c * cells + i]!;
  }
  return rows;
}

/** The cells projected, [cells][size] row-major. @param matrix [size][channels], row-major */
export function projectedCells({ data, channels }: FeatureMap, matrix: Float32Array): Float32Array {
  const cells = data.length / channels;
  const size = matrix.length / channels;
  const rows = new Float32Array(cells * size);
  const sums = new Float32Array(cells);
  for (let p = 0; p < size; p++) {
    sums.fill(0);
    for (let c = 0; c < channels; c++) {
      const weight = matrix[p * channels + c]!;
      const from = c * cells;
      for (let i = 0; i < cells; i++) sums[i]! += weight * data[from + i]!;
    }
    for (let i = 0; i < cells; i++) rows[i * size + p] = sums[i]!;
  }
  return rows;
}
