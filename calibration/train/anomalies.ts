/**
 * Finds the probable location of an unmarked defect: the cell with the largest nearest-neighbour distance to cells of good parts.
 * These locations are used like marks; cross-validation decides whether they help.
 */
import type { Cells } from '../../models/cells.ts';
import type { CellSource } from './cell-cache.ts';
import { mixSeeds, seededRandom } from './random.ts';
import { openTensors, type Tensors } from './tensors.ts';
import type { ImagePoint } from './views.ts';

export interface Anomaly {
  /** Compared with all good parts. */
  readonly places: readonly ImagePoint[];
  /** By fold: compared with the good parts outside that fold. */
  readonly placesWithout: ReadonlyMap<number, readonly ImagePoint[]>;
}

export interface AnomalyOptions {
  /** Indices of good parts, at least one. */
  readonly good: readonly number[];
  /** Indices of parts whose defects are to be located. */
  readonly defects: readonly number[];
  /** Fold of each part. */
  readonly fold: readonly number[];
  readonly seed: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Maximum number of reference cells, and of good parts that they are drawn from. */
const maxCells = 1_200;
const maxGood = 60;

/** By the index of the part. @throws as `CellSource.cells` */
export async function findAnomalies(
  source: CellSource,
  { good, defects, fold, seed, onProgress }: AnomalyOptions,
): Promise<ReadonlyMap<number, Anomaly>> {
  const { tf } = await openTensors();
  const random = seededRandom(mixSeeds(seed, 16));
  const chosen = random.shuffled(good).slice(0, maxGood);
  const total = chosen.length + defects.length;
  /** Reused for each image. */
  let grid: Float32Array | undefined;
  const kept: { readonly roots: Float32Array; readonly fold: number }[] = [];
  for (const [n, i] of chosen.entries()) {
    onProgress?.(n, total);
    const cells = await source.cells(i, 0, grid);
    grid = cells.data;
    const each = Math.max(1, Math.floor(maxCells / chosen.length));
    const drawn = random.shuffled([...Array(cells.height * cells.width).keys()]).slice(0, each);
    for (const p of drawn) kept.push({ roots: rootsOf(cells, p), fold: fold[i]! });
  }
  const reference = joined(kept.map(({ roots }) => roots));
  const referenceFold = kept.map((one) => one.fold);
  const found = new Map<number, Anomaly>();
  for (const [n, i] of defects.entries()) {
    onProgress?.(chosen.length + n, total);
    const cells = await source.cells(i, 0, grid);
    grid = cells.data;
    found.set(i, maxAnomalous(cells, await squaredDistances(tf, cells, reference), referenceFold));
  }
  onProgress?.(total, total);
  return found;
}

function rootsOf({ data, channels, height, width }: Cells, p: number): Float32Array {
  return Float32Array.from({ length: channels }, (_, c) => Math.sqrt(data[c * height * width + p]!));
}

function joined(rows: readonly Float32Array[]): Float32Array {
  const size = rows[0]?.length ?? 0;
  const flat = new Float32Array(rows.length * size);
  rows.forEach((row, i) => {
    flat.set(row, i * size);
  });
  return flat;
}

/** Squared distances between √cells, [cells][reference], row-major. @param reference [reference][channels], row-major */
async function squaredDistances(
  tf: Tensors,
  { data, channels, height, width }: Cells,
  reference: Float32Array,
): Promise<Float32Array> {
  const count = reference.length / channels;
  // A loop: `Float32Array.from` takes several times as long.
  const roots = new Float32Array(data.length);
  for (let i = 0; i < roots.length; i++) roots[i] = Math.sqrt(data[i]!);
  const distances = tf.tidy(() => {
    const known = tf.tensor2d(reference, [count, channels]);
    const cells = tf.tensor2d(roots, [channels, height * width]);
    const own = tf.reshape(tf.sum(tf.square(cells), 0), [height * width, 1]);
    const lengths = tf.reshape(tf.sum(tf.square(known), 1), [1, count]);
    const products = tf.matMul(tf.transpose(cells), tf.transpose(known));
    return tf.add(own, tf.sub(lengths, tf.mul(products, 2)));
  });
  const values = (await distances.data()) as Float32Array;
  distances.dispose();
  return values;
}

/** The cell with the largest nearest-neighbour distance, for all reference cells and without those of each fold. */
function maxAnomalous({ height, width }: Cells, distances: Float32Array, fold: readonly number[]): Anomaly {
  const folds = [...new Set(fold)];
  const nearest = folds.map(() => new Float64Array(height * width).fill(Number.POSITIVE_INFINITY));
  const rowOf = fold.map((f) => nearest[folds.indexOf(f)]!);
  for (let p = 0; p < height * width; p++) {
    for (let m = 0; m < fold.length; m++) {
      const distance = distances[p * fold.length + m]!;
      if (distance < rowOf[m]![p]!) rowOf[m]![p] = distance;
    }
  }
  const farthest = (among: readonly Float64Array[]) => {
    let [best, max] = [0, Number.NEGATIVE_INFINITY];
    for (let p = 0; p < height * width; p++) {
      const min = among.reduce((a, row) => Math.min(a, row[p]!), Number.POSITIVE_INFINITY);
      if (min > max) [best, max] = [p, min];
    }
    return best;
  };
  const placeAt = (p: number): readonly ImagePoint[] => [
    { x: ((p % width) + 0.5) / width, y: (Math.floor(p / width) + 0.5) / height },
  ];
  const whole = farthest(nearest);
  const places = placeAt(whole);
  const without = folds.flatMap((f, at): [number, readonly ImagePoint[]][] => {
    const others = nearest.toSpliced(at, 1);
    const p = others.length > 0 ? farthest(others) : whole;
    return p === whole ? [] : [[f, placeAt(p)]];
  });
  return { places, placesWithout: new Map(without) };
}
