/**
 * A memory of cells of good parts, and the anomaly score of a part against it. The JavaScript counterpart of the graph in head.onnx
 * (onnx/memory-graph.ts).
 *
 * A cell of stage 2 and the cell of stage 3 around it are projected to a few values each, scaled and concatenated. r is the distance of
 * a cell to its nearest neighbour in the memory, divided by the usual distance at that place. The score is the mean of r, or the mean of
 * the largest r, whichever is more standard deviations above that of held-out good parts (Roth et al., "Towards total recall in
 * industrial anomaly detection", CVPR 2022; the scale per place is ours).
 */
import { QcError } from '../config/errors.ts';
import type { FeatureMap, FeatureMaps } from './run/runner.ts';

export interface GoodMemory extends Projections {
  /** Cells in the memory, [M][2·P]. */
  readonly cells: readonly Float32Array[];
  /** [H·W], cells of stage 2: the usual distance at each place. */
  readonly usual: Float32Array;
  /** [H·W]: its standard deviation. */
  readonly spread: Float32Array;
  /** Number of cells whose largest r are averaged. */
  readonly largest: number;
  /** Distribution over held-out good parts: of the mean of r, and of the mean of the largest r. */
  readonly mean: Normal;
  readonly top: Normal;
  /** Maximum score of a part that passes. */
  readonly limit: number;
}

export interface Projections {
  readonly stage2: Projection;
  readonly stage3: Projection;
}

export interface Projection {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** [P,channels], row-major, scaled. */
  readonly matrix: Float32Array;
}

export interface Normal {
  readonly mean: number;
  readonly deviation: number;
}

/** Comparison of a part with good parts. */
export interface AnomalyScore {
  /** In standard deviations of good parts. */
  readonly score: number;
  /** [H·W]: standard deviations of each place. */
  readonly where: Float32Array;
}

export const anomalyScoreOf = (memory: GoodMemory, maps: FeatureMaps): AnomalyScore =>
  scoreOfCells(memory, goodCells(maps, memory));

/** @param cells of the part, from `goodCells` */
export function scoreOfCells(memory: GoodMemory, cells: Float32Array): AnomalyScore {
  const { mean, top, usual, spread, largest } = memory;
  const distances = distancesTo(memory.cells, cells);
  const said = summaryOf(
    distances.map((distance, p) => distance / usual[p]!),
    largest,
  );
  return {
    score: Math.max(deviationsOf(said.mean, mean), deviationsOf(said.top, top)),
    where: Float32Array.from(distances, (distance, p) => (distance - usual[p]!) / spread[p]!),
  };
}

export const deviationsOf = (value: number, { mean, deviation }: Normal) => (value - mean) / deviation;

/** Familiarity of a part: 0.5 at the limit. */
export const familiarityOfScore = (score: number, limit: number) => 1 / (1 + Math.exp(score - limit));

/** Inverse of `familiarityOfScore`. */
export const scoreOfFamiliarity = (familiarity: number, limit: number) =>
  limit + Math.log(1 / familiarity - 1);

/** Projected cells of one image, [H·W][2·P] row-major. @throws QcError maps-unavailable */
export function goodCells({ stage2, stage3 }: FeatureMaps, projections: Projections): Float32Array {
  if (!stage2 || !stage3) throw new QcError('maps-unavailable', 'maps of stages 2 and 3 are needed');
  const fine = projectedCells(stage2, projections.stage2.matrix);
  const coarse = projectedCells(stage3, projections.stage3.matrix);
  const { height, width } = stage2;
  const p = fine.length / (height * width);
  const q = coarse.length / (stage3.height * stage3.width);
  const cells = new Float32Array(height * width * (p + q));
  const rows = placesOf(height, stage3.height);
  const columns = placesOf(width, stage3.width);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * (p + q);
      cells.set(fine.subarray((y * width + x) * p, (y * width + x + 1) * p), at);
      const [top, left] = [rows[y]!, columns[x]!];
      const from = (v: number, u: number) => (v * stage3.width + u) * q;
      for (let k = 0; k < q; k++) {
        const upper =
          coarse[from(top.low, left.low) + k]! * (1 - left.part) +
          coarse[from(top.low, left.high) + k]! * left.part;
        const lower =
          coarse[from(top.high, left.low) + k]! * (1 - left.part) +
          coarse[from(top.high, left.high) + k]! * left.part;
        cells[at + p + k] = upper * (1 - top.part) + lower * top.part;
      }
    }
  }
  return cells;
}

/** Between which cells of the coarse map a cell of the fine one lies: half pixels, as ONNX Resize places them. */
function placesOf(fine: number, coarse: number) {
  return Array.from({ length: fine }, (_, i) => {
    const at = Math.min(coarse - 1, Math.max(0, ((i + 0.5) * coarse) / fine - 0.5));
    const low = Math.floor(at);
    return { low, high: Math.min(coarse - 1, low + 1), part: at - low };
  });
}

/** The cells of a map projected, [cells][P] row-major. @param matrix [P,channels], row-major */
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

/** Distance of each cell to the nearest of the memory, [H·W]. @param skip cells of the memory that do not count */
export function distancesTo(
  memory: readonly Float32Array[],
  cells: Float32Array,
  skip?: (m: number) => boolean,
): Float64Array {
  const size = memory[0]!.length;
  const kept = skip ? memory.filter((_, m) => !skip(m)) : memory;
  const squares = kept.map(squareOf);
  return Float64Array.from({ length: cells.length / size }, (_, i) => {
    const cell = cells.subarray(i * size, (i + 1) * size);
    let least = Number.POSITIVE_INFINITY;
    for (let m = 0; m < kept.length; m++) {
      const row = kept[m]!;
      let product = 0;
      for (let k = 0; k < size; k++) product += row[k]! * cell[k]!;
      least = Math.min(least, squares[m]! - 2 * product);
    }
    return Math.sqrt(Math.max(0, least + squareOf(cell)));
  });
}

/** Mean of r, and of its largest. @param ratios r of each cell */
export function summaryOf(
  ratios: Float64Array,
  largest: number,
): { readonly mean: number; readonly top: number } {
  const meanOf = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean: meanOf(ratios), top: meanOf(ratios.toSorted((a, b) => b - a).subarray(0, largest)) };
}

/** Squared length. */
export function squareOf(row: Float32Array): number {
  let sum = 0;
  for (const value of row) sum += value * value;
  return sum;
}
