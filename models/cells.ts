/**
 * Localized features of a head: the maps of stages 2 and 3 on one grid of cells, max pooling per channel around each cell, and
 * an attention-weighted average of the cells as one vector. The JavaScript equivalent of the graph in head.onnx.
 */
import { QcError } from '../config/errors.ts';
import type { FeatureMap, FeatureMaps } from './run/runner.ts';

/** The part of a head that computes localized features. */
export interface CellBlock {
  /** Channels and sizes of the maps it takes; the grid of cells is that of stage 3. */
  readonly maps: { readonly stage2: MapSize; readonly stage3: MapSize };
  /** Side of the max-pooling window around each cell, in cells; odd. */
  readonly window: number;
  readonly look: Evidence | Spot;
  /** [C], mean of the transformed localized features of ordinary parts; the head's weights apply to the difference from it. */
  readonly mean: Float32Array;
}

export type MapSize = Pick<FeatureMap, 'channels' | 'height' | 'width'>;

/** Attention of a cell: softmax(sharpness · evidence), evidence = w·√cell + bias, in standard deviations of ordinary cells. */
export interface Evidence {
  readonly by: 'evidence';
  /** [C], channels of stage 2 first. */
  readonly weights: Float32Array;
  readonly bias: number;
  readonly sharpness: number;
}

/** The same cells of every part: a rectangle that starts at `row` and `column`. */
export interface Spot {
  readonly by: 'spot';
  readonly row: number;
  readonly column: number;
  readonly rows: number;
  readonly columns: number;
  /** [rows·columns], sum 1. */
  readonly weights: Float32Array;
}

/** Finds cells that resemble the marked ones; independent of the features that the head classifies by. */
export interface Detector extends Pick<CellBlock, 'maps' | 'window'>, Pick<Evidence, 'weights' | 'bias'> {
  /** Cells outside count as ordinary. Default: all cells are inside. */
  readonly within?: Pick<Spot, 'row' | 'column' | 'rows' | 'columns'> | undefined;
}

/** [channels][height·width] of one image, channels of stage 2 first; no negative values. */
export interface Cells extends MapSize {
  readonly data: Float32Array;
}

/**
 * Stage 2 after 2 × 2 max pooling, concatenated with stage 3.
 * @param into memory to reuse if it has the right length
 * @throws QcError maps-unavailable
 */
export function cellsOfMaps({ stage2, stage3 }: FeatureMaps, into?: Float32Array): Cells {
  if (!stage2 || !stage3)
    throw new QcError('maps-unavailable', 'the feature maps of stages 2 and 3 are needed');
  const { height, width } = stage3;
  const channels = stage2.channels + stage3.channels;
  const data = memoryFor(channels * height * width, into);
  const { data: fine, width: across, height: down } = stage2;
  let to = 0;
  for (let c = 0; c < stage2.channels; c++) {
    const from = c * down * across;
    for (let y = 0; y < height; y++) {
      const [top, end] = [2 * y, Math.min(down, 2 * y + 2)];
      for (let x = 0; x < width; x++) {
        const right = Math.min(across, 2 * x + 2);
        let largest = 0;
        for (let v = top; v < end; v++) {
          for (let u = 2 * x; u < right; u++) {
            const value = fine[from + v * across + u]!;
            if (value > largest) largest = value;
          }
        }
        data[to++] = largest;
      }
    }
  }
  const coarse = stage3.data;
  for (let i = 0; i < coarse.length; i++) {
    const value = coarse[i]!;
    data[to++] = value > 0 ? value : 0;
  }
  return { data, channels, height, width };
}

const memoryFor = (length: number, into?: Float32Array): Float32Array =>
  into?.length === length ? into : new Float32Array(length);

/**
 * Max pooling of each channel in a window around each cell.
 * @param window odd
 * @param into memory to reuse if it has the right length; not that of `cells`
 */
export function windowed(cells: Cells, window: number, into?: Float32Array): Cells {
  if (window === 1) return cells;
  const data = memoryFor(cells.data.length, into);
  // Max pooling by 5 equals max pooling by 3 applied twice.
  largestOfThree(cells.data, data, cells);
  for (let side = 5; side <= window; side += 2) largestOfThree(data, data, cells);
  return { ...cells, data };
}

/** @param to may be the memory of `from` */
function largestOfThree(from: Float32Array, to: Float32Array, { channels, height, width }: MapSize): void {
  for (let row = 0; row < channels * height; row++) {
    const first = row * width;
    const last = first + width - 1;
    let left = from[first]!;
    let here = left;
    for (let i = first; i <= last; i++) {
      const right = i < last ? from[i + 1]! : here;
      let largest = left > here ? left : here;
      if (right > largest) largest = right;
      to[i] = largest;
      left = here;
      here = right;
    }
  }
  /** The row above as it was before this pass. */
  const above = new Float32Array(width);
  for (let c = 0; c < channels; c++) {
    const first = c * height * width;
    above.set(to.subarray(first, first + width));
    for (let y = 0; y < height; y++) {
      const start = first + y * width;
      const isLast = y === height - 1;
      for (let x = 0; x < width; x++) {
        const i = start + x;
        const here = to[i]!;
        let largest = above[x]! > here ? above[x]! : here;
        if (!isLast && to[i + width]! > largest) largest = to[i + width]!;
        above[x] = here;
        to[i] = largest;
      }
    }
  }
}

/** Evidence map, [height·width]. @param cells windowed */
export function evidenceOf(
  { data, channels, height, width }: Cells,
  { weights, bias }: Pick<Evidence, 'weights' | 'bias'>,
): Float64Array {
  const size = height * width;
  const sums = new Float64Array(size).fill(bias);
  for (let c = 0; c < channels; c++) {
    const weight = weights[c]!;
    if (weight === 0) continue;
    const from = c * size;
    for (let p = 0; p < size; p++) sums[p]! += weight * Math.sqrt(data[from + p]!);
  }
  return sums;
}

/**
 * The deviation of each cell from ordinary cells, in their standard deviations, [height·width]. The maximum over a window
 * spreads a peak over the whole window; the minimum over the same window undoes that.
 * @param cells after `windowed` with the detector's window
 */
export function deviationsOf(
  cells: Cells,
  { window, within, ...detector }: Omit<Detector, 'maps'>,
): Float32Array {
  const { height, width } = cells;
  const negative = Float32Array.from(evidenceOf(cells, detector), (value) => -value);
  const { data } = windowed({ data: negative, channels: 1, height, width }, window);
  return data.map((value, p) => (isWithin(p, width, within) ? -value : 0));
}

function isWithin(p: number, width: number, area: Detector['within']): boolean {
  if (!area) return true;
  const [down, right] = [Math.floor(p / width) - area.row, (p % width) - area.column];
  return down >= 0 && down < area.rows && right >= 0 && right < area.columns;
}

/** The cells that a window around a spot covers, within the map. */
export function areaOf(
  { row, column, rows, columns }: Omit<Spot, 'by' | 'weights'>,
  window: number,
  { height, width }: Pick<MapSize, 'height' | 'width'>,
): NonNullable<Detector['within']> {
  const margin = (window - 1) / 2;
  const [top, left] = [Math.max(0, row - margin), Math.max(0, column - margin)];
  return {
    row: top,
    column: left,
    rows: Math.min(height, row + rows + margin) - top,
    columns: Math.min(width, column + columns + margin) - left,
  };
}

/** Attention-weighted average of the cells, [C], not transformed. @param cells after `windowed` with the block's window */
export function attended(cells: Cells, look: CellBlock['look']): Float32Array {
  return averaged(cells, attentionOf(cells, look));
}

/** Attention weight of each cell, [height·width], sum 1. @param cells windowed */
export function attentionOf(cells: Cells, look: CellBlock['look']): Float64Array {
  if (look.by === 'evidence') {
    const evidence = evidenceOf(cells, look);
    const top = evidence.reduce((a, b) => Math.max(a, b));
    const powers = evidence.map((value) => Math.exp(look.sharpness * (value - top)));
    const total = powers.reduce((a, b) => a + b);
    return powers.map((power) => power / total);
  }
  const shares = new Float64Array(cells.height * cells.width);
  look.weights.forEach((weight, i) => {
    const y = look.row + Math.floor(i / look.columns);
    shares[y * cells.width + look.column + (i % look.columns)] = weight;
  });
  return shares;
}

function averaged({ data, channels, height, width }: Cells, shares: Float64Array): Float32Array {
  const size = height * width;
  const average = new Float32Array(channels);
  const used = Array.from(shares.keys()).filter((p) => shares[p]! > 1e-9);
  for (let c = 0; c < channels; c++) {
    let sum = 0;
    for (const p of used) sum += shares[p]! * data[c * size + p]!;
    average[c] = sum;
  }
  return average;
}

/** The cells around a point with bilinear weights. @param place fractions of the image */
export function spotAt(
  { height, width }: Pick<MapSize, 'height' | 'width'>,
  place: { readonly x: number; readonly y: number },
): Spot {
  const [x, y] = [clamped(place.x * width - 0.5, width - 1), clamped(place.y * height - 0.5, height - 1)];
  const [column, row] = [Math.floor(x), Math.floor(y)];
  const [right, down] = [x - column, y - row];
  const across = right > 0 ? [1 - right, right] : [1];
  const along = down > 0 ? [1 - down, down] : [1];
  return {
    by: 'spot',
    row,
    column,
    rows: along.length,
    columns: across.length,
    weights: Float32Array.from(along.flatMap((a) => across.map((b) => a * b))),
  };
}

const clamped = (value: number, max: number) => Math.min(max, Math.max(0, value));
