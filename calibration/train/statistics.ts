/** Low-level image statistics: the baseline that the frozen base has to beat. */
import type { Image } from '../../models/image.ts';

const cells = 4;
const bins = 16;
const directions = 8;
/** Colour mean and deviation, luma histogram, gradient directions, and a coarse grid of mean and deviation. */
export const statisticsSize = 6 + bins + directions + cells * cells * 2;

/** [54] float32, unit-free: colours and luma as shares of 255. */
export function statisticsOf({ width, height, data }: Image): Float32Array {
  const out = new Float32Array(statisticsSize);
  const pixels = width * height;
  const luma = new Float32Array(pixels);
  const sum = [0, 0, 0];
  const squares = [0, 0, 0];
  const cellSum = new Float64Array(cells * cells);
  const cellSquares = new Float64Array(cells * cells);
  const cellCount = new Float64Array(cells * cells);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      for (let c = 0; c < 3; c++) {
        const value = data[at * 3 + c]! / 255;
        sum[c]! += value;
        squares[c]! += value * value;
      }
      const value = (0.299 * data[at * 3]! + 0.587 * data[at * 3 + 1]! + 0.114 * data[at * 3 + 2]!) / 255;
      luma[at] = value;
      out[6 + Math.min(bins - 1, Math.floor(value * bins))]! += 1 / pixels;
      const cell = Math.floor((y * cells) / height) * cells + Math.floor((x * cells) / width);
      cellSum[cell]! += value;
      cellSquares[cell]! += value * value;
      cellCount[cell]!++;
    }
  }
  const deviation = (total: number, square: number, count: number) =>
    Math.sqrt(Math.max(0, square / count - (total / count) ** 2));
  for (let c = 0; c < 3; c++) {
    out[c] = sum[c]! / pixels;
    out[3 + c] = deviation(sum[c]!, squares[c]!, pixels);
  }
  for (let y = 1; y < height - 1; y++) {
    for (let x = 1; x < width - 1; x++) {
      const at = y * width + x;
      const dx = luma[at + 1]! - luma[at - 1]!;
      const dy = luma[at + width]! - luma[at - width]!;
      out[6 + bins + octant(dx, dy)]! += Math.sqrt(dx * dx + dy * dy) / pixels;
    }
  }
  for (let cell = 0; cell < cells * cells; cell++) {
    const count = Math.max(1, cellCount[cell]!);
    const at = 6 + bins + directions + cell * 2;
    out[at] = cellSum[cell]! / count;
    out[at + 1] = deviation(cellSum[cell]!, cellSquares[cell]!, count);
  }
  return out;
}

/** The octant of a direction, 0 to 7; comparisons are ten times as fast as an arc tangent. */
function octant(dx: number, dy: number): number {
  const isSteep = Math.abs(dy) > Math.abs(dx);
  return (dy < 0 ? 4 : 0) + (dx < 0 ? 2 : 0) + (isSteep ? 1 : 0);
}
