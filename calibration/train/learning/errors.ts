/** Errors of heads on increasing numbers of labels, and their covariance with other parts. Pure. */
import { mixSeeds, type Random, seededRandom } from '../random.ts';
import type { CurvePoints } from './curve.ts';
import type { LearningPoints } from './points.ts';

export interface ErrorOptions {
  /** Mistakes of `points`. */
  readonly of: 'wrong' | 'escaped';
  /** Weight of an example of a label; 0: ignored. The weights of all examples of `points` sum to 1. */
  readonly weightOf: (label: string) => number;
  readonly seed: number;
}

const bootstraps = 200;
/** Factor for the variation of training: the bootstrap only covers the variation of the judged parts. */
const scatter = 2;
/** Exponent with which unobserved mistakes become rarer with more labels. */
const unseenExponent = 0.7;

/**
 * The covariance comes from a bootstrap over groups of parts within their labels, and over the splits into folds. Zero
 * mistakes in n groups do not prove an error of zero: half a mistake is added, and one mistake to the deviation.
 */
export function errorsOf(points: LearningPoints, { of, weightOf, seed }: ErrorOptions): CurvePoints {
  const { examples, labels } = points;
  const counted = [...examples.keys()].filter((i) => weightOf(examples[i]!.label) > 0);
  const weight = Float64Array.from(examples, ({ label }) => weightOf(label));
  const tables = points[of];
  const repeats = tables[0]!.length;
  const meanError = (size: number, times: ArrayLike<number>, splits: readonly number[]) => {
    let sum = 0;
    for (const split of splits) {
      const table = tables[size]![split]!;
      for (const i of counted) sum += table[i]! * weight[i]! * times[i]!;
    }
    return sum / splits.length;
  };

  const groups = groupsByLabel(points, counted);
  const total = groups.flat().length;
  const unseen = labels.map((at) => (at / labels.at(-1)!) ** -unseenExponent / total);
  const once = new Uint8Array(examples.length).fill(1);
  const all = Array.from({ length: repeats }, (_, split) => split);
  const errors = labels.map((_, size) => meanError(size, once, all) + unseen[size]! / 2);

  const random = seededRandom(mixSeeds(seed, 17));
  const drawn = Array.from({ length: bootstraps }, () => {
    const times = resampled(groups, examples.length, random);
    const splits = all.map(() => random.integer(repeats));
    return labels.map((_, size) => meanError(size, times, splits));
  });
  const mean = labels.map((_, size) => drawn.reduce((sum, row) => sum + row[size]!, 0) / bootstraps);
  const covariance = labels.map((_, a) =>
    labels.map((_, b) => {
      const sum = drawn.reduce((sum, row) => sum + (row[a]! - mean[a]!) * (row[b]! - mean[b]!), 0);
      // The independent variance of single points keeps the matrix regular.
      const own = a === b ? (0.25 / total) ** 2 : 0;
      return (scatter * sum) / bootstraps + unseen[a]! * unseen[b]! + own;
    }),
  );
  return { labels, errors, covariance };
}

/** Scales the errors by a factor. */
export function scaled({ labels, errors, covariance }: CurvePoints, factor: number): CurvePoints {
  return {
    labels,
    errors: errors.map((error) => factor * error),
    covariance: covariance.map((row) => row.map((value) => factor ** 2 * value)),
  };
}

/** [label][group]: indices of its examples. */
function groupsByLabel({ examples }: LearningPoints, counted: readonly number[]): number[][][] {
  const labels = new Map<string, Map<number, number[]>>();
  for (const i of counted) {
    const { label, group } = examples[i]!;
    const groups = labels.get(label) ?? new Map<number, number[]>();
    labels.set(label, groups.set(group, [...(groups.get(group) ?? []), i]));
  }
  return Array.from(labels.values(), (groups) => [...groups.values()]);
}

/** How often each example is drawn when the groups of each label are resampled. */
function resampled(labels: readonly (readonly number[][])[], count: number, random: Random): Uint8Array {
  const times = new Uint8Array(count);
  for (const groups of labels) {
    for (let n = 0; n < groups.length; n++) {
      for (const i of groups[random.integer(groups.length)]!) times[i]!++;
    }
  }
  return times;
}
