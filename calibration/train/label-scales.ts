/**
 * How far parts of each label usually are from its mean. The covariance within labels is common to all labels, because few parts do
 * not determine one for each; the scale of a label is the difference that matters most.
 */
import { Matrix } from 'ml-matrix';
import type { Whitening } from './whitening.ts';

/** So many parts with the usual scale are added to those of a label: few parts do not determine their scale. */
const usualParts = 2;

/** A fold that is held out. */
export interface HeldOut {
  /** Of the members. */
  readonly whitening: Whitening;
  readonly members: readonly number[];
  readonly rest: readonly number[];
}

/** The scale of a label, if one of its parts is left out. */
export type Scales = (label: string, without?: number) => number;

/** From a label to the mean squared distance of its held-out parts from its mean, relative to that of all parts. */
export function scalesOf(folds: readonly HeldOut[], label: readonly string[]): Scales {
  const own = folds.flatMap(({ whitening: { rows, means }, members, rest }) => {
    const labels = [...new Set(members.map((i) => label[i]!))];
    return rest.flatMap((part) => {
      const mean = labels.indexOf(label[part]!);
      if (mean < 0) return [];
      const difference = Matrix.sub(rows.getRowVector(part), means.getRowVector(mean));
      return [{ part, squared: difference.dot(difference) }];
    });
  });
  const sumOf = (some: typeof own) => some.reduce((sum, { squared }) => sum + squared, 0);
  const usual = sumOf(own) / own.length;
  const byLabel = new Map(
    [...new Set(label)].map((one) => [one, own.filter(({ part }) => label[part] === one)]),
  );
  return (one, without) => {
    const some = byLabel.get(one)!.filter(({ part }) => part !== without);
    const scale = (sumOf(some) + usualParts * usual) / ((some.length + usualParts) * usual);
    // Parts that do not differ have no scale.
    return usual > 0 ? Math.max(0.01, scale) : 1;
  };
}
