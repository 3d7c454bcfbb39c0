/** Fits the out-of-distribution detection of a head: how a new part is compared with the labelled parts, and its threshold. */
import { setImmediate as otherWork } from 'node:timers/promises';
import { Matrix } from 'ml-matrix';
import {
  familiarityThreshold,
  noveltyOf,
  pointsOf,
  type WhitenedDistance,
} from '../../models/familiarity.ts';
import { hellinger } from '../../models/head.ts';
import { spacedOut } from './draw.ts';
import { tailLimit } from './false-alarms.ts';
import { foldsOf } from './folds.ts';
import { type HeldOut, type Scales, scalesOf } from './label-scales.ts';
import { principalDirections, type Whitening } from './whitening.ts';

export interface Familiar {
  /** [M][D], transformed, unit length. */
  readonly exemplars: readonly Float32Array[];
  /** Undefined if the parts do not differ or are too few: then the cosine with the nearest exemplar is used. */
  readonly distance?: WhitenedDistance | undefined;
  /** A part with a lower familiarity is unfamiliar. */
  readonly minFamiliarity: number;
  /** Description of the measure, for the record. */
  readonly measure: string;
}

export interface KnownPart {
  readonly features: Float32Array;
  readonly frame: { readonly label: string };
}

/** Parameters of the out-of-distribution score. */
interface Measure {
  readonly shrinkage: number;
  /** Whether the distance to the nearest part is used in addition to that to the nearest mean. */
  readonly nearest: boolean;
}

/** Target share of in-distribution parts that are called unfamiliar. */
const falsePositiveRate = 0.02;
/** Share for which the tail is extrapolated. */
const tailShare = 0.01;
/** Maximum number of exemplars: more of them cost time for each part and add little. */
const maxExemplars = 500;
/** Candidates; only a few, because a choice based on few parts is unreliable. */
const measures: readonly Measure[] = [0.1, 0.2, 0.4].flatMap((shrinkage) =>
  [true, false].map((nearest) => ({ shrinkage, nearest })),
);
/** Used with fewer than three labels, when none can be left out. */
const defaultMeasure: Measure = { shrinkage: 0.2, nearest: true };
/** Maximum number of parts used for the choice: its time grows with the cube of their number. */
const maxSelectionParts = 240;
const selectionFolds = 3;
/** Maximum number of labels that are left out in turn; those with the most parts. */
const maxLeftOut = 6;
/** Number of folds for the limit: with few parts, larger training folds matter. */
const foldsFor = (parts: number) => (parts <= 120 ? 20 : 5);

/**
 * The limit comes from the scores of held-out parts: about 2 % of in-distribution parts are called unfamiliar. The measure is chosen by leaving
 * out each label in turn: its parts should have higher scores than held-out parts of the other labels.
 * @param group frames of one group are always in the same fold
 * @param heldOut of a fine-tuned base, whose own features of the parts it was trained on are too similar
 * @throws the reason of `signal`
 */
export async function familiarOf(
  described: readonly KnownPart[],
  group: readonly number[],
  signal?: AbortSignal,
  heldOut?: HeldOutFeatures,
): Promise<Familiar> {
  const chosen = spacedOut([...described.keys()], maxExemplars);
  const exemplars = chosen.map((i) => hellinger(described[i]!.features));
  const parts: Parts = {
    rows: exemplars,
    label: chosen.map((i) => described[i]!.frame.label),
    group: chosen.map((i) => group[i]!),
    ...(heldOut && {
      heldOut: {
        fold: chosen.map((i) => heldOut.fold[i]!),
        features: heldOut.features.map((rows) => chosen.map((i) => hellinger(rows[i]!))),
      },
    }),
  };
  const all = chosen.map((_, i) => i);
  const { centre, weight, kernel } = weightedKernel(exemplars, parts.label, all);
  const whiten = principalDirections(kernel, all, parts.label);
  if (!whiten) return { exemplars, ...nearestCosine(exemplars, parts.group) };

  const measure = await chooseMeasure(parts, signal);
  const { held, scales } = await heldOutScores(parts, measure, signal);
  const limit = Math.max(1e-6, limitOf(held));
  const whitening = whiten(measure.shrinkage);
  return {
    exemplars,
    distance: {
      centre,
      weight,
      axes: Float32Array.from(whitening.axes.to1DArray()),
      means: rowsOf(whitening.means),
      scales: Float32Array.from(new Set(parts.label), (one) => scales(one)),
      parts: rowsOf(whitening.rows),
      nearest: measure.nearest,
      limit,
    },
    minFamiliarity: familiarityThreshold,
    measure: `Mahalanobis distance to the nearest label${measure.nearest ? ' and part' : ''} and angle, ${whitening.rank} directions, shrinkage ${measure.shrinkage}`,
  };
}

interface Parts {
  /** Transformed. */
  readonly rows: readonly Float32Array[];
  readonly label: readonly string[];
  readonly group: readonly number[];
  /** Transformed. */
  readonly heldOut?: HeldOutFeatures;
}

/** Features of all parts from networks that were trained without one fold each. */
export interface HeldOutFeatures {
  /** Of each part. */
  readonly fold: readonly number[];
  /** By fold. */
  readonly features: readonly (readonly Float32Array[])[];
}

/**
 * Inner products with each feature divided by its standard deviation within labels, so that no feature dominates because of its
 * scale.
 * @returns kernel [n,n]; weight: inverse variance
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
  // Limits the weight of features that hardly vary among few parts.
  const floor = 0.1 * (deviation.reduce((sum, value) => sum + value, 0) / size) + 1e-9;
  const single = Float64Array.from(deviation, (value) => 1 / (value + floor) ** 2);
  // A common factor does not change the result; it keeps values within the range of single precision.
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

/** The measure that best separates parts of a left-out label from held-out parts of the other labels. */
async function chooseMeasure(parts: Parts, signal?: AbortSignal): Promise<Measure> {
  const labels = [...new Set(parts.label)].sort();
  if (labels.length < 3) return defaultMeasure;
  const each = Math.max(2, Math.floor(maxSelectionParts / labels.length));
  const drawn = labels.flatMap((one) => indicesOf(parts.label, one).slice(0, each));
  const rows = drawn.map((i) => parts.rows[i]!);
  const label = drawn.map((i) => parts.label[i]!);
  const fold = foldsOf(
    drawn.map((i) => ({ label: parts.label[i]!, group: parts.group[i]! })),
    selectionFolds,
    1,
  );
  const scores = measures.map(() => 0);
  const leftOut = labels
    .toSorted((a, b) => indicesOf(label, b).length - indicesOf(label, a).length)
    .slice(0, maxLeftOut);
  for (const left of leftOut) {
    const novel = indicesOf(label, left);
    const others = label.flatMap((one, i) => (one === left ? [] : [i]));
    const { kernel } = weightedKernel(rows, label, others);
    const folds: (Omit<HeldOut, 'whitening'> & { readonly whiten: (shrinkage: number) => Whitening })[] = [];
    for (let held = 0; held < selectionFolds; held++) {
      await otherWork();
      signal?.throwIfAborted();
      const members = others.filter((i) => fold[i] !== held);
      const rest = others.filter((i) => fold[i] === held);
      const whiten = members.length > 0 ? principalDirections(kernel, members, label) : undefined;
      if (whiten) folds.push({ whiten, members, rest });
    }
    for (const shrinkage of new Set(measures.map((one) => one.shrinkage))) {
      await otherWork();
      signal?.throwIfAborted();
      const whitened = folds.map(({ whiten, ...one }) => ({ ...one, whitening: whiten(shrinkage) }));
      const scales = scalesOf(whitened, label);
      measures.forEach((measure, m) => {
        if (measure.shrinkage !== shrinkage) return;
        const scored = (of: (one: HeldOut) => readonly number[]) =>
          whitened.flatMap((one) => novelties(one, of(one), { label, scales, measure }));
        scores[m]! += separationOf(
          scored(({ rest }) => rest),
          scored(() => novel),
        );
      });
    }
  }
  return measures[scores.indexOf(Math.max(...scores))]!;
}

/** Score of each part when its fold is held out, and the scale of each label. */
async function heldOutScores({ rows, label, group, heldOut }: Parts, measure: Measure, signal?: AbortSignal) {
  const grouped = label.map((one, i) => ({ label: one, group: group[i]! }));
  const count = heldOut?.features.length ?? foldsFor(grouped.length);
  const fold = heldOut?.fold ?? foldsOf(grouped, count, 1);
  const folds: HeldOut[] = [];
  for (let held = 0; held < count; held++) {
    await otherWork();
    signal?.throwIfAborted();
    const members = grouped.flatMap((_, i) => (fold[i] === held ? [] : [i]));
    const rest = grouped.flatMap((_, i) => (fold[i] === held ? [i] : []));
    const { kernel } = weightedKernel(heldOut?.features[held] ?? rows, label, members);
    const whiten = rest.length > 0 ? principalDirections(kernel, members, label) : undefined;
    if (whiten) folds.push({ whitening: whiten(measure.shrinkage), members, rest });
  }
  const scales = scalesOf(folds, label);
  const known: number[] = [];
  const unknown: number[] = [];
  for (const one of folds) {
    const knownLabels = new Set(one.members.map((i) => label[i]!));
    novelties(one, one.rest, { label, scales, measure }).forEach((score, at) => {
      (knownLabels.has(label[one.rest[at]!]!) ? known : unknown).push(score);
    });
  }
  // If all parts of a label are in one group, their label is unknown whenever they are held out.
  return { held: known.length > 0 ? known : unknown, scales };
}

function novelties(
  { whitening: { rows, means }, members }: HeldOut,
  of: readonly number[],
  {
    label,
    scales,
    measure: { nearest },
  }: {
    readonly label: readonly string[];
    readonly scales: Scales;
    readonly measure: Measure;
  },
): number[] {
  const known = {
    means: pointsOf(means.to2DArray()),
    parts: pointsOf(members.map((i) => rows.getRow(i))),
    nearest,
  };
  // A part must not contribute to the scale by which it is judged.
  const labels = [...new Set(members.map((i) => label[i]!))];
  const all = labels.map((one) => scales(one));
  return of.map((i) => {
    const own = labels.indexOf(label[i]!);
    return noveltyOf(rows.getRow(i), {
      ...known,
      scales: own < 0 ? all : all.with(own, scales(label[i]!, i)),
    });
  });
}

/** Detection rate of unknown parts at the limit for known ones, plus the area under the ROC curve as a tie-breaker. */
function separationOf(known: readonly number[], unknown: readonly number[]): number {
  if (known.length === 0) return 0;
  const limit = limitOf(known);
  const noticed = unknown.filter((value) => value > limit).length / unknown.length;
  let won = 0;
  for (const a of unknown) for (const b of known) won += a > b ? 1 : a === b ? 0.5 : 0;
  return noticed + won / (known.length * unknown.length);
}

/**
 * The geometric mean of the tail estimate, whose exponential tail is too light for these scores, and of the quantile, which
 * with few parts is the largest score and varies too much.
 */
function limitOf(scores: readonly number[]): number {
  return Math.sqrt(Math.max(0, tailLimit(scores, tailShare)) * Math.max(0, quantile(scores)));
}

function quantile(distances: readonly number[]): number {
  const ranked = distances.toSorted((a, b) => a - b);
  const rank = Math.min(ranked.length, Math.ceil((1 - falsePositiveRate) * (ranked.length + 1)));
  return ranked[rank - 1]!;
}

/** Fallback for parts without principal directions: the cosine with the nearest part of another group. */
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
  // Equal parts have a cosine of 1, which rounding may exceed.
  const minFamiliarity = Math.min(1, Math.max(-1, 1 - quantile(held)));
  return { minFamiliarity, measure: 'cosine to the nearest part' };
}

const indicesOf = (labels: readonly string[], one: string) =>
  labels.flatMap((label, i) => (label === one ? [i] : []));
const rowsOf = (matrix: Matrix) => matrix.to2DArray().map((row) => Float32Array.from(row));
