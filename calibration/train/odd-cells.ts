/**
 * Where a defect probably is if nobody has marked it: the cell that is least like those of good parts. Such places stand for marks;
 * cross-validation decides whether they help.
 */
import type { Cells } from '../../models/cells.ts';
import type { CellSource } from './cell-cache.ts';
import { mixSeeds, seededRandom } from './random.ts';
import { openTensors, type Tensors } from './tensors.ts';
import type { ImagePoint } from './views.ts';

export interface OddPlace {
  /** Against all good parts. */
  readonly places: readonly ImagePoint[];
  /** By fold: against the good parts outside it. */
  readonly placesWithout: ReadonlyMap<number, readonly ImagePoint[]>;
}

export interface OddCellOptions {
  /** Indices of good parts, at least one. */
  readonly good: readonly number[];
  /** Indices of parts whose defects are looked for. */
  readonly defects: readonly number[];
  /** Of each part. */
  readonly fold: readonly number[];
  readonly seed: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Cells of good parts that others are compared with, and the parts that they come from. */
const mostCells = 1_200;
const mostGood = 60;

/** By the index of the part. @throws as `CellSource.cells` */
export async function findOddPlaces(
  source: CellSource,
  { good, defects, fold, seed, onProgress }: OddCellOptions,
): Promise<ReadonlyMap<number, OddPlace>> {
  const { tf } = await openTensors();
  const random = seededRandom(mixSeeds(seed, 16));
  const chosen = random.shuffled(good).slice(0, mostGood);
  const total = chosen.length + defects.length;
  const kept: { readonly roots: Float32Array; readonly fold: number }[] = [];
  for (const [n, i] of chosen.entries()) {
    onProgress?.(n, total);
    const cells = await source.cells(i, 0);
    const each = Math.max(1, Math.floor(mostCells / chosen.length));
    const drawn = random.shuffled([...Array(cells.height * cells.width).keys()]).slice(0, each);
    for (const p of drawn) kept.push({ roots: rootsOf(cells, p), fold: fold[i]! });
  }
  const memory = joined(kept.map(({ roots }) => roots));
  const memoryFold = kept.map((one) => one.fold);
  const found = new Map<number, OddPlace>();
  for (const [n, i] of defects.entries()) {
    onProgress?.(chosen.length + n, total);
    const cells = await source.cells(i, 0);
    found.set(i, oddest(cells, await squaredDistances(tf, cells, memory), memoryFold));
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

/** Between √cells, [cells][memory], row-major. @param memory [memory][channels], row-major */
async function squaredDistances(
  tf: Tensors,
  { data, channels, height, width }: Cells,
  memory: Float32Array,
): Promise<Float32Array> {
  const count = memory.length / channels;
  const distances = tf.tidy(() => {
    const known = tf.tensor2d(memory, [count, channels]);
    const cells = tf.tensor2d(Float32Array.from(data, Math.sqrt), [channels, height * width]);
    const own = tf.reshape(tf.sum(tf.square(cells), 0), [height * width, 1]);
    const lengths = tf.reshape(tf.sum(tf.square(known), 1), [1, count]);
    const products = tf.matMul(tf.transpose(cells), tf.transpose(known));
    return tf.add(own, tf.sub(lengths, tf.mul(products, 2)));
  });
  const values = (await distances.data()) as Float32Array;
  distances.dispose();
  return values;
}

/** The cell that is farthest from its nearest one in memory, for memory as a whole and without each fold. */
function oddest({ height, width }: Cells, distances: Float32Array, fold: readonly number[]): OddPlace {
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
    let [best, most] = [0, Number.NEGATIVE_INFINITY];
    for (let p = 0; p < height * width; p++) {
      const least = among.reduce((a, row) => Math.min(a, row[p]!), Number.POSITIVE_INFINITY);
      if (least > most) [best, most] = [p, least];
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
