/** Trains the memory of good parts, and its limit for a promised rate of false alarms. */
import {
  deviationsOf,
  distancesTo,
  type GoodMemory,
  type Normal,
  type Projections,
  scoreOfCells,
  summaryOf,
} from '../../models/good-memory.ts';
import { limitOf } from './false-alarms.ts';
import type { GoodCellSource } from './good-cells.ts';
import { mixSeeds, type Random, seededRandom } from './random.ts';

export interface RememberOptions {
  /** Frames of one group are left out together. */
  readonly group: readonly number[];
  /** Frames of one part count once for the limit, by the highest score. Default: as `group`. */
  readonly part?: readonly number[] | undefined;
  readonly seed: number;
  /** Good parts that may be uncertain, as a share. */
  readonly falseAlarmRate: number;
  /** Cells in the memory; default 500. */
  readonly maxCells?: number;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Remembered {
  readonly memory: GoodMemory;
  /** Anomaly score of each frame, with its group held out. */
  readonly heldOut: readonly number[];
  /** Highest value of `where` of each frame, with its group held out. */
  readonly peaks: readonly number[];
  /** Anomaly score of a part, from its cells of the same `GoodCells`. */
  readonly scoreOf: (cells: Float32Array) => number;
  /** Whether the rate of false alarms is promised. */
  readonly promised: boolean;
  /** The promise, or what is missing for it. */
  readonly text: string;
}

/** With fewer good parts, the variation among good parts is unknown. */
export const minGood = 10;
/** Cells that those in the memory are chosen from. */
const maxCandidates = 6_000;
/** Share of the cells of a part in the mean of the largest r. */
const largestShare = 0.02;
/** Weight of the mean over all places in the usual distance of a place, in parts. */
const priorParts = 10;

/**
 * @param source cells of good parts, at least ten
 * @throws RangeError for fewer parts; as `GoodCellSource.cells`; the reason of `signal`
 */
export async function rememberGood(
  source: GoodCellSource,
  { group, part = group, seed, falseAlarmRate, maxCells = 500, onProgress, signal }: RememberOptions,
): Promise<Remembered> {
  const { count } = source;
  if (count < minGood) throw new RangeError(`at least ${minGood} good parts are needed`);
  const { height, width } = source.projections.stage2;
  const places = height * width;
  const report = (pass: number) => (index: number) => {
    signal?.throwIfAborted();
    onProgress?.(pass * count + index, 2 * count);
  };
  const { scales, candidates } = await drawCandidates(source, seededRandom(mixSeeds(seed, 31)), report(0));
  const kept = coresetOf(
    candidates.map(({ cell }) => cell),
    maxCells,
    signal,
  ).map((i) => candidates[i]!);
  const cells = kept.map(({ cell }) => cell);

  const distances: Float64Array[] = [];
  for (let i = 0; i < count; i++) {
    report(1)(i);
    const own = scaled(await source.cells(i), scales);
    distances.push(distancesTo(cells, own, (m) => group[kept[m]!.of] === group[i]));
  }
  const all = distances.map((_, i) => i);
  const others = (i: number) => all.filter((j) => group[j] !== group[i]);
  const total = sumOf(distances, places);
  const largest = Math.max(1, Math.round(largestShare * places));
  const said = distances.map((own, i) => {
    const without = Float64Array.from(total);
    const left = all.filter((j) => group[j] === group[i]);
    for (const j of left) for (let p = 0; p < places; p++) without[p]! -= distances[j]![p]!;
    const usual = usualOf(without, count - left.length, height, width);
    return summaryOf(
      own.map((distance, p) => distance / usual[p]!),
      largest,
    );
  });
  const normals = (of: readonly number[]) => ({
    mean: normalOf(of.map((i) => said[i]!.mean)),
    top: normalOf(of.map((i) => said[i]!.top)),
  });
  const heldOut = said.map(({ mean, top }, i) => {
    const by = normals(others(i));
    return Math.max(deviationsOf(mean, by.mean), deviationsOf(top, by.top));
  });
  const usual = usualOf(total, count, height, width);
  const { limit, promised, text } = limitOf(highestOf(part, heldOut), falseAlarmRate);
  const memory: GoodMemory = {
    ...scaledProjections(source.projections, scales),
    cells,
    usual: Float32Array.from(usual),
    spread: Float32Array.from(spreadOf(distances, usual, height, width)),
    largest,
    ...normals(all),
    limit,
  };
  const peaks = distances.map((own) =>
    Math.max(...own.map((one, p) => (one - usual[p]!) / memory.spread[p]!)),
  );
  onProgress?.(2 * count, 2 * count);
  const scoreOf = (own: Float32Array) => scoreOfCells(memory, scaled(own, scales)).score;
  return { memory, heldOut, peaks, scoreOf, promised, text };
}

/** The highest score of each part. */
export function highestOf(part: readonly number[], scores: readonly number[]): number[] {
  const highest = new Map<number, number>();
  scores.forEach((value, i) => {
    highest.set(part[i]!, Math.max(value, highest.get(part[i]!) ?? value));
  });
  return [...highest.values()];
}

interface Candidate {
  /** The part it comes from. */
  readonly of: number;
  /** Scaled. */
  readonly cell: Float32Array;
}

/** Factors that give both stages the same total variance. */
interface Scales {
  readonly stage2: number;
  readonly stage3: number;
  /** Values of a cell: those of stage 2, then as many of stage 3. */
  readonly size: number;
}

/** Cells drawn at random from all parts, and the scales of the stages. */
async function drawCandidates(
  source: GoodCellSource,
  random: Random,
  onPart: (index: number) => void,
): Promise<{ readonly scales: Scales; readonly candidates: readonly Candidate[] }> {
  const { count, projections } = source;
  const places = projections.stage2.height * projections.stage2.width;
  const { matrix, channels } = projections.stage2;
  const size = (2 * matrix.length) / channels;
  const drawn = new Set<number>();
  const most = Math.min(maxCandidates, count * places);
  while (drawn.size < most) drawn.add(random.integer(count * places));
  const placesOf = new Map<number, number[]>();
  for (const i of drawn) {
    const of = Math.floor(i / places);
    placesOf.set(of, [...(placesOf.get(of) ?? []), i % places]);
  }
  const sums = new Float64Array(size);
  const squares = new Float64Array(size);
  const candidates: Candidate[] = [];
  for (let of = 0; of < count; of++) {
    onPart(of);
    const cells = await source.cells(of);
    for (let p = 0; p < places; p++) {
      for (let k = 0; k < size; k++) {
        const value = cells[p * size + k]!;
        sums[k]! += value;
        squares[k]! += value * value;
      }
    }
    for (const p of placesOf.get(of) ?? []) {
      candidates.push({ of, cell: cells.slice(p * size, (p + 1) * size) });
    }
  }
  const varies = (from: number, to: number) => {
    let variance = 0;
    for (let k = from; k < to; k++) {
      variance += squares[k]! / (count * places) - (sums[k]! / (count * places)) ** 2;
    }
    return 1 / Math.sqrt(Math.max(1e-12, variance));
  };
  const scales = { stage2: varies(0, size / 2), stage3: varies(size / 2, size), size };
  return { scales, candidates: candidates.map(({ of, cell }) => ({ of, cell: scaled(cell, scales) })) };
}

/** @param cells any number of them */
function scaled(cells: Float32Array, { stage2, stage3, size }: Scales): Float32Array {
  return cells.map((value, i) => value * (i % size < size / 2 ? stage2 : stage3));
}

function scaledProjections({ stage2, stage3 }: Projections, scales: Scales): Projections {
  return {
    stage2: { ...stage2, matrix: stage2.matrix.map((value) => value * scales.stage2) },
    stage3: { ...stage3, matrix: stage3.matrix.map((value) => value * scales.stage3) },
  };
}

/** Indices of a coreset: each cell is the one farthest from those chosen before (greedy k-center, Gonzalez 1985). */
function coresetOf(cells: readonly Float32Array[], most: number, signal?: AbortSignal): number[] {
  const chosen = [0];
  const distance = cells.map((cell) => squaredDistance(cell, cells[0]!));
  while (chosen.length < Math.min(most, cells.length)) {
    if (chosen.length % 50 === 0) signal?.throwIfAborted();
    let next = 0;
    for (let i = 1; i < cells.length; i++) if (distance[i]! > distance[next]!) next = i;
    chosen.push(next);
    for (let i = 0; i < cells.length; i++) {
      distance[i] = Math.min(distance[i]!, squaredDistance(cells[i]!, cells[next]!));
    }
  }
  return chosen;
}

/** The usual distance at each place: the mean over 3 × 3 places, shrunk towards the mean of all places. */
function usualOf(total: Float64Array, parts: number, height: number, width: number): Float64Array {
  const means = smoothed(
    total.map((sum) => sum / parts),
    height,
    width,
  );
  return shrunkToMean(means, parts).map((usual) => Math.max(1e-9, usual));
}

/** Standard deviation of the distance at each place, over 3 × 3 places, shrunk likewise. */
function spreadOf(
  distances: readonly Float64Array[],
  usual: Float64Array,
  height: number,
  width: number,
): Float64Array {
  const squares = usual.map(
    (mean, p) => distances.reduce((sum, own) => sum + (own[p]! - mean) ** 2, 0) / distances.length,
  );
  const variance = shrunkToMean(smoothed(squares, height, width), distances.length);
  return variance.map((value) => Math.sqrt(Math.max(1e-12, value)));
}

/** Mean of the 3 × 3 places around each; beyond the edge the edge counts again. */
function smoothed(values: Float64Array, height: number, width: number): Float64Array {
  const within = (i: number, count: number) => Math.min(count - 1, Math.max(0, i));
  return values.map((_, p) => {
    const [y, x] = [Math.floor(p / width), p % width];
    let sum = 0;
    for (let v = y - 1; v <= y + 1; v++) {
      for (let u = x - 1; u <= x + 1; u++) sum += values[within(v, height) * width + within(u, width)]!;
    }
    return sum / 9;
  });
}

function shrunkToMean(values: Float64Array, parts: number): Float64Array {
  const all = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.map((value) => (parts * value + priorParts * all) / (parts + priorParts));
}

function sumOf(rows: readonly Float64Array[], size: number): Float64Array {
  const sum = new Float64Array(size);
  for (const row of rows) for (let i = 0; i < size; i++) sum[i]! += row[i]!;
  return sum;
}

function normalOf(values: readonly number[]): Normal {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: Math.max(1e-6, Math.sqrt(squares / Math.max(1, values.length - 1))) };
}

function squaredDistance(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += (a[k]! - b[k]!) ** 2;
  return sum;
}
