/**
 * A head that knows good parts only: it remembers what cells of good parts look like and passes a part whose cells are all like them.
 * Its only label is `good`, always with probability 1; `familiarity`, 0.5 at the limit, decides whether the part passes or is
 * `uncertain`. It never fails a part. Computed here as head.onnx computes it.
 *
 * A cell of stage 2 and the cell of stage 3 around it are projected to 64 values each, scaled and joined: a. Its distance to the
 * nearest remembered cell, over what is usual at that place, is r; a part is as odd as the mean of r, or the mean of its largest
 * r, compared with good parts that the memory was made without (Roth et al., "Towards total recall in industrial anomaly detection",
 * CVPR 2022; the scale of the place is ours).
 */
import { QcError } from '../config/errors.ts';
import { buildModel, floatTensor, node, shapeTensor, valueInfo } from './onnx/build.ts';
import { encodeModel } from './onnx/proto.ts';
import type { FeatureMap, FeatureMaps } from './run/runner.ts';

export interface GoodMemory {
  readonly stage2: Projection;
  readonly stage3: Projection;
  /** Remembered cells, [M][2·P]. */
  readonly cells: readonly Float32Array[];
  /** [H·W], cells of stage 2: one over the usual distance at each place. */
  readonly usual: Float32Array;
  /** Cells with the largest r of which the mean is taken. */
  readonly largest: number;
  /** Of good parts that the memory was made without. */
  readonly mean: Normal;
  readonly top: Normal;
  /** Deviations from which a part is odd. */
  readonly limit: number;
}

export interface Projection {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** [P][channels], scaled. */
  readonly matrix: readonly Float32Array[];
}

export interface Normal {
  readonly mean: number;
  readonly deviation: number;
}

/** The bytes of head.onnx. */
export function encodeGoodMemory(memory: GoodMemory, label: string): Uint8Array {
  const { stage2, stage3, cells, usual, largest, mean, top, limit } = memory;
  const size = stage2.matrix.length + stage3.matrix.length;
  const flat = (rows: readonly Float32Array[], factor = 1) =>
    Float32Array.from(
      rows.flatMap((row) => [...row]),
      (value) => factor * value,
    );
  const convolution = (name: string, { matrix, channels }: Projection) =>
    floatTensor(name, [matrix.length, channels, 1, 1], flat(matrix));
  const normal = (name: string, of: Normal) => [
    floatTensor(`${name}_mean`, [1], Float32Array.of(of.mean)),
    floatTensor(`${name}_deviation`, [1], Float32Array.of(of.deviation)),
  ];
  const input = (name: string, { channels, height, width }: Projection) =>
    valueInfo(name, ['N', channels, height, width]);
  return encodeModel(
    buildModel({
      name: 'good_memory',
      node: [
        node('Conv', ['stage2', 'projection2'], ['cells2']),
        node('Conv', ['stage3', 'projection3'], ['cells3']),
        node('Resize', ['cells3', '', 'scales'], ['cells3_placed'], {
          mode: 'linear',
          coordinate_transformation_mode: 'half_pixel',
        }),
        node('Concat', ['cells2', 'cells3_placed'], ['cells'], { axis: 1 }),
        // |a - m|² = |a|² + |m|² - 2a·m
        node('Conv', ['cells', 'memory_twice', 'memory_squared'], ['offsets']),
        node('ReduceMin', ['offsets'], ['offset'], { axes: [1], keepdims: 1 }),
        node('ReduceSumSquare', ['cells'], ['squared'], { axes: [1], keepdims: 1 }),
        node('Add', ['offset', 'squared'], ['rounded']),
        node('Max', ['rounded', 'zero'], ['distance_squared']),
        node('Sqrt', ['distance_squared'], ['distance']),
        node('Mul', ['distance', 'usual'], ['ratio']),
        node('Flatten', ['ratio'], ['ratios']),
        node('ReduceMean', ['ratios'], ['mean'], { axes: [1], keepdims: 0 }),
        node('TopK', ['ratios', 'largest'], ['tops', 'top_places'], { axis: 1 }),
        node('ReduceMean', ['tops'], ['top'], { axes: [1], keepdims: 0 }),
        ...(['mean', 'top'] as const).flatMap((name) => [
          node('Sub', [name, `${name}_mean`], [`${name}_over`]),
          node('Div', [`${name}_over`, `${name}_deviation`], [`${name}_odd`]),
        ]),
        node('Max', ['mean_odd', 'top_odd'], ['odd']),
        node('Sub', ['limit', 'odd'], ['below']),
        node('Sigmoid', ['below'], ['familiarity']),
        // Always 1, and no number where the image gave none.
        node('Mul', ['familiarity', 'zero'], ['nothing']),
        node('Add', ['nothing', 'one'], ['sure']),
        node('Reshape', ['sure', 'column'], ['probabilities']),
      ],
      initializer: [
        convolution('projection2', stage2),
        convolution('projection3', stage3),
        floatTensor(
          'scales',
          [4],
          Float32Array.of(1, 1, stage2.height / stage3.height, stage2.width / stage3.width),
        ),
        floatTensor('memory_twice', [cells.length, size, 1, 1], flat(cells, -2)),
        floatTensor(
          'memory_squared',
          [cells.length],
          Float32Array.from(cells, (row) => squareOf(row)),
        ),
        floatTensor('usual', [1, 1, stage2.height, stage2.width], usual),
        shapeTensor('largest', [largest]),
        ...normal('mean', mean),
        ...normal('top', top),
        floatTensor('limit', [1], Float32Array.of(limit)),
        floatTensor('zero', [1], Float32Array.of(0)),
        floatTensor('one', [1], Float32Array.of(1)),
        shapeTensor('column', [-1, 1]),
      ],
      input: [input('stage2', stage2), input('stage3', stage3)],
      output: [valueInfo('probabilities', ['N', 1]), valueInfo('familiarity', ['N'])],
      metadata: { labels: JSON.stringify([label]) },
    }),
  );
}

/** Projected cells of one image, [H·W][2·P] row-major. @throws QcError maps-unavailable */
export function goodCells(
  { stage2, stage3 }: FeatureMaps,
  projections: Pick<GoodMemory, 'stage2' | 'stage3'>,
): Float32Array {
  if (!stage2 || !stage3) throw new QcError('maps-unavailable', 'maps of stages 2 and 3 are needed');
  const fine = projected(stage2, projections.stage2.matrix);
  const coarse = projected(stage3, projections.stage3.matrix);
  const [p, q] = [projections.stage2.matrix.length, projections.stage3.matrix.length];
  const { height, width } = stage2;
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

/** [height·width][P] */
function projected(
  { data, channels, height, width }: FeatureMap,
  matrix: readonly Float32Array[],
): Float32Array {
  const places = height * width;
  const result = new Float32Array(places * matrix.length);
  matrix.forEach((row, k) => {
    const sums = new Float64Array(places);
    for (let c = 0; c < channels; c++) {
      const weight = row[c]!;
      for (let i = 0; i < places; i++) sums[i]! += weight * data[c * places + i]!;
    }
    for (let i = 0; i < places; i++) result[i * matrix.length + k] = sums[i]!;
  });
  return result;
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

/** How odd a part is, in deviations of good parts. */
export function oddnessOf(memory: GoodMemory, maps: FeatureMaps): number {
  const distances = distancesTo(memory.cells, goodCells(maps, memory));
  const said = summaryOf(
    distances.map((distance, i) => distance * memory.usual[i]!),
    memory.largest,
  );
  return Math.max(
    (said.mean - memory.mean.mean) / memory.mean.deviation,
    (said.top - memory.top.mean) / memory.top.deviation,
  );
}

function squareOf(row: Float32Array): number {
  let sum = 0;
  for (const value of row) sum += value * value;
  return sum;
}
