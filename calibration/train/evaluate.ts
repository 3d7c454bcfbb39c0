/** Evaluates a head on held-out parts. Pure. */
import { decide, type Probabilities, type Rules } from '../../models/verdict.ts';
import { interval95 } from './interval.ts';
import type { Report } from './report.ts';

export type Evaluation = Pick<
  Report,
  'labels' | 'confusion' | 'perLabel' | 'accuracy' | 'macroF1' | 'escapes' | 'falseRejects' | 'uncertain'
>;

/**
 * @param said probabilities of each part
 * @param truth label of each part; a label without a probability counts as a mistake
 * @param familiarity of each part, where the rules ask for it
 */
export function evaluate(
  said: readonly Probabilities[],
  truth: readonly string[],
  rules: Rules,
  familiarity: readonly number[] = [],
): Evaluation {
  const labels = [...new Set([...truth, ...said.flatMap((one) => Object.keys(one))])].sort();
  const confusion = labels.map(() => labels.map(() => 0));
  const counts = { escapes: 0, falseRejects: 0, uncertain: 0, good: 0 };
  said.forEach((one, i) => {
    confusion[labels.indexOf(truth[i]!)]![labels.indexOf(mostProbable(one))]!++;
    const { verdict } = decide([one], rules, [familiarity[i]]);
    const isGood = rules.good.includes(truth[i]!);
    if (isGood) counts.good++;
    if (verdict === 'uncertain') counts.uncertain++;
    else if (isGood && verdict === 'fail') counts.falseRejects++;
    else if (!isGood && verdict === 'pass') counts.escapes++;
  });
  const perLabel = labels.map((label, k) => {
    const right = confusion[k]![k]!;
    const count = sum(confusion[k]!);
    const claimed = sum(confusion.map((row) => row[k]!));
    return {
      label,
      precision: claimed > 0 ? right / claimed : 0,
      recall: count > 0 ? right / count : 0,
      f1: count + claimed > 0 ? (2 * right) / (count + claimed) : 0,
      count,
    };
  });
  const present = perLabel.filter(({ count }) => count > 0);
  return {
    labels,
    confusion,
    perLabel,
    accuracy: sum(labels.map((_, k) => confusion[k]![k]!)) / Math.max(1, said.length),
    macroF1: sum(present.map(({ f1 }) => f1)) / Math.max(1, present.length),
    escapes: interval95(counts.escapes, said.length - counts.good),
    falseRejects: interval95(counts.falseRejects, counts.good),
    uncertain: interval95(counts.uncertain, said.length),
  };
}

export function mostProbable(one: Probabilities): string {
  return Object.keys(one).reduce((best, label) => (one[label]! > one[best]! ? label : best));
}

/** Rows of probabilities, [n][K], by the labels of the head. */
export function byLabel(labels: readonly string[], rows: readonly (readonly number[])[]): Probabilities[] {
  return rows.map((row) => Object.fromEntries(labels.map((label, k) => [label, row[k]!])));
}

/** For each part, whether its most probable label is the true one. */
export const rightOf = (said: readonly Probabilities[], truth: readonly string[]): boolean[] =>
  said.map((one, i) => mostProbable(one) === truth[i]);

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
