/** Good parts alone → a memory of their cells, with a limit that a promise holds for. */
import {
  distancesTo,
  type GoodMemory,
  goodCells,
  type Projection,
  summaryOf,
} from '../../models/good-memory.ts';
import type { FeatureMap, FeatureMaps } from '../../models/run/runner.ts';
import { mixSeeds, type Random, seededRandom } from './random.ts';

export interface RememberOptions {
  /** Parts of one group are left out together. */
  readonly group: readonly number[];
  readonly seed: number;
  /** Good parts that may be uncertain, as a share. */
  readonly falseAlarmRate: number;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Remembered {
  readonly memory: GoodMemory;
  /** Oddness of each part to a memory without its group. */
  readonly heldOut: readonly number[];
  /** Whether the rate of false alarms is promised. */
  readonly promised: boolean;
  /** What is promised, or what is missing for it. */
  readonly text: string;
}

/** Fewer good parts say nothing of how far good parts differ. */
export const leastGood = 10;
const projectedTo = 64;
const mostRemembered = 500;
/** Cells of which the remembered ones are chosen. */
const mostCandidates = 6_000;
/** Of all cells of a part: those whose mean is the second aggregate. */
const largestShare = 0.02;
/** A place counts as usual as the mean of all places until it has been seen this often. */
const priorParts = 10;

/**
 * @param parts maps of good parts, at least ten
 * The limit is the largest or a later oddness of held-out parts: of n parts the r-th largest is passed by one more good part with
 * probability r / (n + 1) at most (order statistics; Vovk, Gammerman, Shafer 2005), so 9 parts promise 10 %, 19 promise 5 %. That rate
 * is an average over stations; `needed` parts promise it for this one with 95 % confidence (Wilks 1941): 29, 59, 149, 299.
 * @throws RangeError for fewer parts; the reason of `signal`
 */
export function rememberGood(
  parts: readonly FeatureMaps[],
  { group, seed, falseAlarmRate, onProgress, signal }: RememberOptions,
): Remembered {
  if (parts.length < leastGood) throw new RangeError(`at least ${leastGood} good parts are needed`);
  const random = seededRandom(mixSeeds(seed, 29));
  const projections = {
    stage2: projectionOf(
      parts.map(({ stage2 }) => stage2!),
      random,
    ),
    stage3: projectionOf(
      parts.map(({ stage3 }) => stage3!),
      random,
    ),
  };
  const cells = parts.map((maps) => goodCells(maps, projections));
  const { height, width } = projections.stage2;
  const places = height * width;
  const size = 2 * projectedTo;
  const candidates = random
    .shuffled(Array.from({ length: parts.length * places }, (_, i) => i))
    .slice(0, mostCandidates)
    .map((i) => {
      const of = Math.floor(i / places);
      return { of, cell: cells[of]!.subarray((i % places) * size, ((i % places) + 1) * size) };
    });
  const kept = coresetOf(
    candidates.map(({ cell }) => cell),
    mostRemembered,
    signal,
  ).map((i) => candidates[i]!);
  const memory = kept.map(({ cell }) => cell.slice());

  const distances = cells.map((of, i) => {
    signal?.throwIfAborted();
    onProgress?.(i, cells.length);
    return distancesTo(memory, of, (m) => group[kept[m]!.of] === group[i]);
  });
  const largest = Math.max(1, Math.round(largestShare * places));
  const total = sumOf(distances, places);
  const said = distances.map((own, i) => {
    const others = distances.flatMap((_, j) => (group[j] === group[i] ? [j] : []));
    const without = Float64Array.from(total);
    for (const j of others) for (let p = 0; p < places; p++) without[p]! -= distances[j]![p]!;
    const usual = usualOf(without, parts.length - others.length, height, width);
    return summaryOf(
      own.map((distance, p) => distance * usual[p]!),
      largest,
    );
  });
  const normals = (of: readonly number[]) => ({
    mean: normalOf(said.filter((_, i) => of.includes(i)).map(({ mean }) => mean)),
    top: normalOf(said.filter((_, i) => of.includes(i)).map(({ top }) => top)),
  });
  const all = parts.map((_, i) => i);
  const heldOut = said.map(({ mean, top }, i) => {
    const by = normals(all.filter((j) => group[j] !== group[i]));
    return Math.max((mean - by.mean.mean) / by.mean.deviation, (top - by.top.mean) / by.top.deviation);
  });
  const chosen = limitOf(heldOut, falseAlarmRate);
  return {
    memory: {
      ...projections,
      cells: memory,
      usual: Float32Array.from(usualOf(total, parts.length, height, width)),
      largest,
      ...normals(all),
      limit: chosen.limit,
    },
    heldOut,
    promised: chosen.promised,
    text: chosen.text,
  };
}

const risk = 0.05;

/** The lowest limit that the rate is promised for with 95 % confidence, or the largest oddness. */
export function limitOf(
  heldOut: readonly number[],
  falseAlarmRate: number,
): { readonly limit: number; readonly promised: boolean; readonly text: string } {
  const ranked = heldOut.toSorted((a, b) => b - a);
  const parts = ranked.length;
  const percent = `${Number((100 * falseAlarmRate).toFixed(2))} %`;
  // P(the r-th largest of n leaves more than the rate beyond it) = P(fewer than r of n are beyond the true quantile).
  let passed = 0;
  let probability = (1 - falseAlarmRate) ** parts;
  let below = 0;
  while (passed < parts && below + probability <= risk) {
    below += probability;
    probability *= ((parts - passed) / (passed + 1)) * (falseAlarmRate / (1 - falseAlarmRate));
    passed++;
  }
  if (passed > 0) {
    const text = `at most ${percent} of good parts are uncertain, with 95 % confidence from ${parts} good parts`;
    return { limit: ranked[passed - 1]!, promised: true, text };
  }
  const needed = Math.ceil(Math.log(risk) / Math.log1p(-falseAlarmRate));
  const proved = Math.ceil(100 * (1 - risk ** (1 / parts)));
  return {
    limit: ranked[0]!,
    promised: false,
    text: `${parts} good parts cannot promise that at most ${percent} of good parts are uncertain: at least ${needed - parts} more are needed; they promise at most ${proved} %`,
  };
}

/** Random directions (Johnson and Lindenstrauss 1984), scaled so that the cells of this stage vary by 1 in all. */
function projectionOf(maps: readonly FeatureMap[], random: Random): Projection {
  const { channels, height, width } = maps[0]!;
  let variance = 0;
  for (let c = 0; c < channels; c++) {
    let sum = 0;
    let squares = 0;
    for (const { data } of maps) {
      for (let i = c * height * width; i < (c + 1) * height * width; i++) {
        sum += data[i]!;
        squares += data[i]! ** 2;
      }
    }
    const count = maps.length * height * width;
    variance += squares / count - (sum / count) ** 2;
  }
  const scale = 1 / Math.sqrt(projectedTo * Math.max(1e-12, variance));
  const normal = () => Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
  const matrix = Array.from({ length: projectedTo }, () =>
    Float32Array.from({ length: channels }, () => scale * normal()),
  );
  return { channels, height, width, matrix };
}

/** Indices of cells that cover all others: each the one farthest from those before (Gonzalez 1985). */
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

/** One over the usual distance at each place: the mean of the 3 × 3 places around it, drawn towards that of all. */
function usualOf(total: Float64Array, parts: number, height: number, width: number): Float64Array {
  const all = total.reduce((sum, value) => sum + value, 0) / (total.length * parts);
  const within = (i: number, count: number) => Math.min(count - 1, Math.max(0, i));
  return total.map((_, p) => {
    const [y, x] = [Math.floor(p / width), p % width];
    let sum = 0;
    for (let v = y - 1; v <= y + 1; v++) {
      for (let u = x - 1; u <= x + 1; u++) sum += total[within(v, height) * width + within(u, width)]! / 9;
    }
    return (parts + priorParts) / Math.max(1e-9, sum + priorParts * all);
  });
}

function sumOf(rows: readonly Float64Array[], size: number): Float64Array {
  const sum = new Float64Array(size);
  for (const row of rows) for (let i = 0; i < size; i++) sum[i]! += row[i]!;
  return sum;
}

function normalOf(values: readonly number[]) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: Math.max(1e-6, Math.sqrt(squares / Math.max(1, values.length - 1))) };
}

function squaredDistance(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += (a[k]! - b[k]!) ** 2;
  return sum;
}
