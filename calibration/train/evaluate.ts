/** Evaluates a head on held-out parts. Pure. */
import { decide, type Probabilities, type Rules } from '../../models/verdict.ts';
import { interval95 } from './interval.ts';
import type { Report } from './report.ts';

export type Evaluation = Pick<
  Report,
  | 'labels'
  | 'confusion'
  | 'perLabel'
  | 'accuracy'
  | 'macroF1'
  | 'escapes'
  | 'falseRejects'
  | 'uncertain'
  | 'mostProbable'
>;

/**
 * @param said probabilities of each frame
 * @param truth label of each frame; a label without a probability counts as a mistake
 * @param familiarity of each frame, where the rules ask for it
 * @param part of each frame: a part counts once among escapes and false rejects, as a mistake if one of its frames is;
 *   default: each frame is a part
 */
export function evaluate(
  said: readonly Probabilities[],
  truth: readonly string[],
  rules: Rules,
  familiarity: readonly number[] = [],
  part: readonly number[] = [...said.keys()],
): Evaluation {
  const labels = [...new Set([...truth, ...said.flatMap((one) => Object.keys(one))])].sort();
  const confusion = labels.map(() => labels.map(() => 0));
  const escaped: boolean[] = [];
  const rejected: boolean[] = [];
  const misjudged: boolean[] = [];
  let uncertain = 0;
  const isGood = truth.map((label) => rules.good.includes(label));
  said.forEach((one, i) => {
    const most = mostProbable(one);
    confusion[labels.indexOf(truth[i]!)]![labels.indexOf(most)]!++;
    misjudged[i] = rules.good.includes(most) !== isGood[i];
    const { verdict } = decide([one], rules, [familiarity[i]]);
    escaped[i] = verdict === 'pass';
    rejected[i] = verdict === 'fail';
    if (verdict === 'uncertain') uncertain++;
  });
  const wrongOf = (wrong: readonly boolean[], of: boolean) =>
    worstOfParts(wrong.map(Number), part, (i) => isGood[i] === of);
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
    escapes: intervalOf(wrongOf(escaped, false)),
    falseRejects: intervalOf(wrongOf(rejected, true)),
    uncertain: interval95(uncertain, said.length),
    mostProbable: {
      escapes: sum(wrongOf(misjudged, false)),
      falseRejects: sum(wrongOf(misjudged, true)),
    },
  };
}

const intervalOf = (wrong: readonly number[]) => interval95(sum(wrong), wrong.length);

/** For each part with an included frame: the highest value of these frames. Frames of one part are not independent. */
export function worstOfParts(
  values: readonly number[],
  part: readonly number[],
  isIncluded: (frame: number) => boolean,
): number[] {
  const worst = new Map<number, number>();
  values.forEach((value, i) => {
    if (!isIncluded(i)) return;
    worst.set(part[i]!, Math.max(value, worst.get(part[i]!) ?? Number.NEGATIVE_INFINITY));
  });
  return [...worst.values()];
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
