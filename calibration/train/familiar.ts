/** What the head counts as familiar: how near a new part must be to the labelled ones. */
import { setImmediate as otherWork } from 'node:timers/promises';
import { Matrix } from 'ml-matrix';
import {
  familiarityThreshold,
  noveltyOf,
  pointsOf,
  type WhitenedDistance,
} from '../../models/familiarity.ts';
import { hellinger } from '../../models/head.ts';
import { foldsOf } from './folds.ts';
import { principalDirections, type Whitening } from './whitening.ts';

export interface Familiar {
  /** [M][D], transformed, of length 1. */
  readonly exemplars: readonly Float32Array[];
  /** Undefined where the parts do not differ, or are too few: the cosine with the nearest exemplar counts. */
  readonly distance?: WhitenedDistance | undefined;
  /** Familiarity below which a part is unfamiliar. */
  readonly least: number;
  /** How it is measured, for the record. */
  readonly measure: string;
}

export interface KnownPart {
  readonly features: Float32Array;
  readonly frame: { readonly label: string };
}

/** How strangeness is measured. */
interface Measure {
  readonly shrinkage: number;
  /** Whether the distance to the nearest part counts as well as that to the nearest mean. */
  readonly nearest: boolean;
}

/** Parts like the labelled ones that may be called unfamiliar by mistake. */
const falseAlarms = 0.02;
/** More exemplars cost time at each part and add little. */
const mostExemplars = 500;
/** What is chosen from: few, since few parts choose badly. */
const measures: readonly Measure[] = [0.1, 0.2, 0.4].flatMap((shrinkage) =>
  [true, false].map((nearest) => ({ shrinkage, nearest })),
);
/** Where fewer than three labels can be left out in turn. */
const usual: Measure = { shrinkage: 0.2, nearest: true };
/** Parts that the choice rests on: it takes the cube of their number. */
const mostChoosing = 240;
const choosingFolds = 3;
/** Labels that are left out in turn, those with most parts. */
const mostLeftOut = 6;
/** Folds for the limit: with few parts each one that is missing is felt. */
const foldsFor = (parts: number) => (parts <= 120 ? 20 : 5);

/**
 * The limit is a cross-conformal quantile (Vovk, "Cross-conformal predictors", Ann. Math. Artif. Intell. 74, 2015) of the
 * distance of each part to the others of a fold that it is not in: about 2 % of parts like the labelled ones are called unfamiliar;
 * where too few are labelled for that, the largest distance stands for it. How distances are measured is chosen with each label
 * left out in turn: its parts should be farther away than parts of the others.
 * @param group frames of one group never vouch for each other
 * @throws the reason of `signal`
 */
export async function familiarOf(
  described: readonly KnownPart[],
  group: readonly number[],
  signal?: AbortSignal,
): Promise<Familiar> {
  const step = Math.max(1, described.length / mostExemplars);
  const chosen = described
    .map((_, i) => i)
    .filter((i) => Math.floor(i / step) !== Math.floor((i - 1) / step));
  const exemplars = chosen.map((i) => hellinger(described[i]!.features));
  const parts: Parts = {
    rows: exemplars,
    label: chosen.map((i) => described[i]!.frame.label),
    group: chosen.map((i) => group[i]!),
  };
  const all = chosen.map((_, i) => i);
  const { centre, weight, kernel } = weightedKernel(exemplars, parts.label, all);
  const whiten = principalDirections(kernel, all, parts.label);
  if (!whiten) return { exemplars, ...nearestCosine(exemplars, parts.group) };

  const measure = await chooseMeasure(parts, signal);
  const held = await heldOutDistances(parts, measure, signal);
  const limit = Math.max(1e-6, quantile(held));
  const whitening = whiten(measure.shrinkage);
  return {
    exemplars,
    distance: {
      centre,
      weight,
      axes: Float32Array.from(whitening.axes.to1DArray()),
      means: rowsOf(whitening.means),
      parts: rowsOf(whitening.rows),
      nearest: measure.nearest,
      limit,
    },
    least: familiarityThreshold,
    measure: `Mahalanobis distance to the nearest label${measure.nearest ? ' and part' : ''} and angle, ${whitening.rank} directions, shrinkage ${measure.shrinkage}`,
  };
}

interface Parts {
  /** Transformed. */
  readonly rows: readonly Float32Array[];
  readonly label: readonly string[];
  readonly group: readonly number[];
}

/**
 * Inner products in which each feature is divided by its spread within the labels of the members, so that none counts only because
 * its numbers are large.
 * @returns kernel [n,n]; weight: one over the squared spread
 */
function weightedKernel(rows: readonly Float32Array[], label: readonly string[], members: readonly number[]) {
  const size = rows[0]!.length;
  const labels = [...new Set(members.map((i) => label[i]!))];
  const centre = new Float64Array(size);
  const variance = new Float64Array(size);
  for (const one of labels) {
    const own = members.filter((i) => label[i] === one).map((i) => rows[i]!);
    const mean = new Float64Array(size);
    for (const row of own) for (let d = 0; d < size; d++) mean[d]! += row[d]! / own.length;
    for (const row of own) {
      for (let d = 0; d < size; d++) variance[d]! += (row[d]! - mean[d]!) ** 2 / own.length / labels.length;
    }
    for (let d = 0; d < size; d++) centre[d]! += (mean[d]! * own.length) / members.length;
  }
  const deviation = variance.map(Math.sqrt);
  // A feature that hardly moves among few parts is not a hundred times more telling.
  const floor = 0.1 * (deviation.reduce((sum, value) => sum + value, 0) / size) + 1e-9;
  const single = Float64Array.from(deviation, (value) => 1 / (value + floor) ** 2);
  // One common factor changes nothing, but keeps single precision away from its ends.
  const mean = single.reduce((sum, value) => sum + value, 0) / size;
  const weight = Float32Array.from(single, (value) => value / mean);
  const root = weight.map(Math.sqrt);
  const scaled = rows.map((row) => {
    const values = new Float64Array(size);
    for (let d = 0; d < size; d++) values[d] = (row[d]! - centre[d]!) * root[d]!;
    return values;
  });
  return { centre: Float32Array.from(centre), weight, kernel: gramOf(scaled) };
}

function gramOf(rows: readonly Float64Array[]): Matrix {
  const kernel = Matrix.zeros(rows.length, rows.length);
  rows.forEach((a, i) => {
    for (let j = 0; j <= i; j++) {
      const b = rows[j]!;
      let sum = 0;
      for (let d = 0; d < a.length; d++) sum += a[d]! * b[d]!;
      kernel.set(i, j, sum);
      kernel.set(j, i, sum);
    }
  });
  return kernel;
}

/** The measure that tells a label that was left out best from held-out parts of the others. */
async function chooseMeasure(parts: Parts, signal?: AbortSignal): Promise<Measure> {
  const labels = [...new Set(parts.label)].sort();
  if (labels.length < 3) return usual;
  const each = Math.max(2, Math.floor(mostChoosing / labels.length));
  const drawn = labels.flatMap((one) => indicesOf(parts.label, one).slice(0, each));
  const rows = drawn.map((i) => parts.rows[i]!);
  const label = drawn.map((i) => parts.label[i]!);
  const fold = foldsOf(
    drawn.map((i) => ({ label: parts.label[i]!, group: parts.group[i]! })),
    choosingFolds,
    1,
  );
  const worth = measures.map(() => 0);
  const leftOut = labels
    .toSorted((a, b) => indicesOf(label, b).length - indicesOf(label, a).length)
    .slice(0, mostLeftOut);
  for (const left of leftOut) {
    const strange = indicesOf(label, left);
    const others = label.flatMap((one, i) => (one === left ? [] : [i]));
    const { kernel } = weightedKernel(rows, label, others);
    const known = measures.map((): number[] => []);
    const unknown = measures.map((): number[] => []);
    for (let held = 0; held < choosingFolds; held++) {
      await otherWork();
      signal?.throwIfAborted();
      const members = others.filter((i) => fold[i] !== held);
      const rest = others.filter((i) => fold[i] === held);
      const whiten = members.length > 0 ? principalDirections(kernel, members, label) : undefined;
      if (!whiten) continue;
      for (const shrinkage of new Set(measures.map((one) => one.shrinkage))) {
        const whitening = whiten(shrinkage);
        measures.forEach((measure, m) => {
          if (measure.shrinkage !== shrinkage) return;
          known[m]!.push(...strangeness(whitening, rest, members, measure));
          unknown[m]!.push(...strangeness(whitening, strange, members, measure));
        });
      }
    }
    measures.forEach((_, m) => {
      worth[m]! += worthOf(known[m]!, unknown[m]!);
    });
  }
  return measures[worth.indexOf(Math.max(...worth))]!;
}

/** Distance of each part to the parts of the other folds. */
async function heldOutDistances(parts: Parts, measure: Measure, signal?: AbortSignal): Promise<number[]> {
  const grouped = parts.label.map((label, i) => ({ label, group: parts.group[i]! }));
  const folds = foldsFor(grouped.length);
  const fold = foldsOf(grouped, folds, 1);
  const seen: number[] = [];
  const orphans: number[] = [];
  for (let held = 0; held < folds; held++) {
    await otherWork();
    signal?.throwIfAborted();
    const members = grouped.flatMap((_, i) => (fold[i] === held ? [] : [i]));
    const rest = grouped.flatMap((_, i) => (fold[i] === held ? [i] : []));
    const { kernel } = weightedKernel(parts.rows, parts.label, members);
    const whiten = rest.length > 0 ? principalDirections(kernel, members, parts.label) : undefined;
    if (!whiten) continue;
    const whitening = whiten(measure.shrinkage);
    const known = new Set(members.map((i) => parts.label[i]!));
    strangeness(whitening, rest, members, measure).forEach((distance, at) => {
      (known.has(parts.label[rest[at]!]!) ? seen : orphans).push(distance);
    });
  }
  // A label whose parts are all of one group is a stranger to every fold that it is held out of.
  return seen.length > 0 ? seen : orphans;
}

function strangeness(
  { rows, means }: Whitening,
  of: readonly number[],
  members: readonly number[],
  { nearest }: Measure,
): number[] {
  const parts = pointsOf(members.map((i) => rows.getRow(i)));
  const labels = pointsOf(means.to2DArray());
  return of.map((i) => noveltyOf(rows.getRow(i), labels, parts, nearest));
}

/** Share of unknown parts beyond the limit for known ones, and, for what that does not tell, the area under the ROC curve. */
function worthOf(known: readonly number[], unknown: readonly number[]): number {
  if (known.length === 0) return 0;
  const limit = quantile(known);
  const noticed = unknown.filter((value) => value > limit).length / unknown.length;
  let won = 0;
  for (const a of unknown) for (const b of known) won += a > b ? 1 : a === b ? 0.5 : 0;
  return noticed + won / (known.length * unknown.length);
}

function quantile(distances: readonly number[]): number {
  const ranked = distances.toSorted((a, b) => a - b);
  const rank = Math.min(ranked.length, Math.ceil((1 - falseAlarms) * (ranked.length + 1)));
  return ranked[rank - 1]!;
}

/** For parts that span no space of their own: the cosine with the nearest part of another group. */
export function nearestCosine(rows: readonly Float32Array[], group: readonly number[]) {
  const held = rows.map((row, i) => {
    let nearest = -1;
    rows.forEach((other, j) => {
      if (group[j] === group[i]) return;
      let sum = 0;
      for (let d = 0; d < row.length; d++) sum += row[d]! * other[d]!;
      nearest = Math.max(nearest, sum);
    });
    return 1 - nearest;
  });
  return { least: Math.max(-1, 1 - quantile(held)), measure: 'cosine to the nearest part' };
}

const indicesOf = (labels: readonly string[], one: string) =>
  labels.flatMap((label, i) => (label === one ? [i] : []));
const rowsOf = (matrix: Matrix) => matrix.to2DArray().map((row) => Float32Array.from(row));
