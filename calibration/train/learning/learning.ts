/**
 * Estimates the effect of more labels: the learning curve of a trained head, in figures and in a sentence for the operator.
 */
import { decide, type Probabilities, type Rules } from '../../../models/verdict.ts';
import { mostProbable } from '../evaluate.ts';
import type { Example, TrainedHead } from '../fit.ts';
import type { Report } from '../report.ts';
import { type CurvePoints, type Estimate, fitLearningCurve, type LearningCurve } from './curve.ts';
import { errorsOf, scaled } from './errors.ts';
import { harmonicMean, type LearningPoints, learningPoints } from './points.ts';

export interface LearningInput {
  readonly examples: readonly Example[];
  readonly head: TrainedHead;
  /** Held-out prediction for each example. */
  readonly heldOut: readonly Probabilities[];
  readonly rules: Rules;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
}

export type Learning = NonNullable<Report['learning']>;

/** Minimum number of labels: a quarter of fewer is one or none. */
const minGroups = 8;
/** Steps of additional labels, and their maximum as a multiple of the present labels. */
const usualSteps = [10, 20, 50, 100, 200, 500];
const farthest = 4;
const curveSamples = 12;
/** Views and localized features change the frequency of errors; a larger factor is random. */
const maxScaled = 2;
/** A negligible gain. */
const onePoint = 0.01;
/** An interval wider than this multiple of the gain makes the estimate unclear. */
const widest = 2.5;
/** A label is named if its gain is at least this multiple of the average gain. */
const outstanding = 1.5;

/**
 * @param steps numbers of additional labels per class, ascending; those too large to predict are omitted, except the first
 * @throws the reason of `signal`
 */
export async function learningOf(input: LearningInput, steps = usualSteps): Promise<Learning> {
  const { examples, head, rules, seed, signal } = input;
  const counts = head.labels.map((label) => examples.filter((one) => one.label === label).length);
  const now = harmonicMean(counts);
  const tooFew = whyTooFew(input);
  if (tooFew !== undefined)
    return { state: 'unknown', sentence: tooFew, now, points: [], curve: [], expected: [], byLabel: [] };

  const points = await learningPoints(examples, head, { seed, rules, signal });
  const errorsIn = createMeasure(points, input);
  const isBad = (label: string) => !rules.good.includes(label);
  const hasBoth = head.labels.some(isBad) && !head.labels.every(isBad);
  const accuracy = errorsIn('wrong', () => true);
  const balanced = errorsIn('wrong', () => true, 'label');
  const escapes = hasBoth ? errorsIn('escaped', isBad) : undefined;
  const curve = fitLearningCurve(accuracy);
  const balancedCurve = fitLearningCurve(balanced);
  const escapeCurve = escapes && fitLearningCurve(escapes);

  const after = (more: number) => harmonicMean(counts.map((count) => count + more));
  const offered = steps.filter((more, i) => i === 0 || after(more) <= farthest * now);
  const expected = offered.map((more) => ({
    more,
    accuracy: curve.gain(now, after(more)),
    balancedError: balancedCurve.gain(now, after(more)),
    escapes: escapeCurve?.gain(now, after(more)) ?? null,
  }));
  const told = expected.find(({ more }) => more >= usualStep(now)) ?? expected.at(-1)!;
  const byLabel = head.labels
    .map((label) => {
      const own = fitLearningCurve(errorsIn('wrong', (one) => one === label));
      return { label, more: told.more, recall: own.gain(now, after(told.more)) };
    })
    .sort((a, b) => b.recall.value - a.recall.value);
  return {
    ...sentenceOf(told.more, told.accuracy, byLabel),
    now,
    points: points.labels.map((labels, i) => ({
      labels,
      accuracy: 1 - accuracy.errors[i]!,
      deviation: Math.sqrt(accuracy.covariance[i]![i]!),
      balancedError: balanced.errors[i]!,
      escapeRate: escapes?.errors[i] ?? null,
    })),
    curve: samplesOf(curve, points.labels[0]!, after(expected.at(-1)!.more)),
    expected,
    byLabel,
  };
}

function whyTooFew({ examples, head }: LearningInput): string | undefined {
  const groups = head.labels.map(
    (label) => new Set(examples.filter((one) => one.label === label).map(({ group }) => group)).size,
  );
  const least = Math.min(...groups);
  if (least >= minGroups) return undefined;
  const label = head.labels[groups.indexOf(least)];
  return `the effect of more labels cannot be estimated yet: ${minGroups} different parts of each label are needed, ${label} has ${least}`;
}

type Counts = (label: string) => boolean;

/** Errors of the heads on fewer labels, scaled so that those of the largest are as frequent as the trained head's. */
function createMeasure(points: LearningPoints, { examples, head, heldOut, rules, seed }: LearningInput) {
  const happened = {
    wrong: heldOut.map((one, i) => mostProbable(one) !== examples[i]!.label),
    escaped: heldOut.map((one) => decide([one], rules).verdict === 'pass'),
  };
  /** Weights of examples: equal for each example, or equal for each label. */
  const weightsIn = (list: readonly { readonly label: string }[], counts: Counts, each: 'part' | 'label') => {
    const numbers = new Map(
      head.labels.filter(counts).map((label) => [label, list.filter((one) => one.label === label).length]),
    );
    const total = [...numbers.values()].reduce((sum, number) => sum + number, 0);
    return (label: string) => {
      const number = numbers.get(label);
      if (number === undefined) return 0;
      return each === 'part' ? 1 / total : 1 / numbers.size / number;
    };
  };
  return (of: 'wrong' | 'escaped', counts: Counts, each: 'part' | 'label' = 'part'): CurvePoints => {
    const unscaled = errorsOf(points, { of, weightOf: weightsIn(points.examples, counts, each), seed });
    const weightOf = weightsIn(examples, counts, each);
    const half = 0.5 / examples.filter(({ label }) => counts(label)).length;
    const own = examples.reduce((sum, { label }, i) => sum + (happened[of][i] ? weightOf(label) : 0), half);
    return scaled(unscaled, Math.min(maxScaled, Math.max(1 / maxScaled, own / unscaled.errors.at(-1)!)));
  };
}

/** A practical number of additional labels per class. */
function usualStep(now: number): number {
  if (now < 8) return 10;
  return now < 100 ? 20 : now < 500 ? 100 : 500;
}

function samplesOf(curve: LearningCurve, from: number, to: number): Learning['curve'] {
  return Array.from({ length: curveSamples }, (_, i) => {
    const labels = from * (to / from) ** (i / (curveSamples - 1));
    const { value, low, high } = curve.errorAt(labels);
    return { labels, accuracy: 1 - value, low: 1 - high, high: 1 - low };
  });
}

function sentenceOf(
  more: number,
  { value, low, high }: Estimate,
  byLabel: Learning['byLabel'],
): Pick<Learning, 'state' | 'sentence'> {
  const range = `${points(low)} to ${points(high)}`;
  if (high < onePoint) {
    return {
      state: 'saturated',
      sentence: `more labels of this kind would improve the accuracy by less than 1 percentage point (${more} more per class)`,
    };
  }
  const most = byLabel[0];
  const where =
    byLabel.length > 2 && most && most.recall.low > onePoint && most.recall.value > outstanding * value
      ? `; most for ${most.label}, whose share of recognised parts would rise by about ${points(most.recall.value)} points`
      : '';
  if (high - low > Math.max(widest * value, onePoint)) {
    return {
      state: 'unclear',
      sentence: `${more} more labels per class would improve the accuracy by ${range} points; the present labels do not allow a closer estimate${where}`,
    };
  }
  return {
    state: 'gains',
    sentence: `${more} more labels per class would improve the accuracy by about ${pointsOf(value)} (${range})${where}`,
  };
}

/** Percentage points, with one decimal below 1. */
const points = (share: number) => {
  const value = share * 100;
  return value < 0.95 ? String(Number(value.toFixed(1))) : value.toFixed(0);
};
const pointsOf = (share: number) => `${points(share)} ${points(share) === '1' ? 'point' : 'points'}`;
