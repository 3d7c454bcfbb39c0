/** Errors of heads on ever more labels, and how they would scatter with other parts. Pure. */
import { mixSeeds, type Random, seededRandom } from '../random.ts';
import type { CurvePoints } from './curve.ts';
import type { LearningPoints } from './points.ts';

export interface ErrorOptions {
  /** Mistakes of `points`. */
  readonly of: 'wrong' | 'escaped';
  /** What an example of a label counts; 0: not at all. They add up to 1 over all examples of `points`. */
  readonly weightOf: (label: string) => number;
  readonly seed: number;
}

const bootstraps = 200;
/** Other parts would be learned from, too, not only judged: the bootstrap knows the judging alone. */
const scatter = 2;
/** How a mistake that nobody has seen yet would become rarer with more labels. */
const unseenExponent = 0.7;

/**
 * The covariance comes from a bootstrap over groups of parts within their labels, and over the splits into folds. No mistake in n groups does
 * not prove that there is none: half a mistake is added, and a whole one to the deviation.
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
      // What single points scatter by themselves keeps the matrix regular.
      const own = a === b ? (0.25 / total) ** 2 : 0;
      return (scatter * sum) / bootstraps + unseen[a]! * unseen[b]! + own;
    }),
  );
  return { labels, errors, covariance };
}

/** As if the errors were so many times as frequent. */
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

/** How often each example is drawn if as many groups of each label are drawn as there are. */
function resampled(labels: readonly (readonly number[][])[], count: number, random: Random): Uint8Array {
  const times = new Uint8Array(count);
  for (const groups of labels) {
    for (let n = 0; n < groups.length; n++) {
      for (const i of groups[random.integer(groups.length)]!) times[i]!++;
    }
  }
  return times;
}
