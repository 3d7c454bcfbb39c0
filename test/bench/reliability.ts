/** Statistics of probabilities and promised rates over many draws. */
import { type Evaluation, mostProbable } from '../../calibration/train/evaluate.ts';
import type { Probabilities } from '../../models/verdict.ts';

export interface Draw {
  /** Of the test images. */
  readonly said: readonly Probabilities[];
  readonly truth: readonly string[];
  /** From the held-out images of the training, and from the test images at the same thresholds. */
  readonly reported: Evaluation;
  readonly actual: Evaluation;
  readonly targets: { readonly escapeRate: number; readonly falseRejectRate: number };
  /** Which targets were promised. */
  readonly promised: { readonly escapes: boolean; readonly falseRejects: boolean };
}

export interface Reliability {
  readonly losses: number[];
  /** Highest probability of each test image, and whether its label is right. */
  readonly sure: { readonly probability: number; readonly right: boolean }[];
  readonly draws: Omit<Draw, 'said' | 'truth'>[];
  add(draw: Draw): void;
}

const bins = 15;
const certain = 0.98;

export function createReliability(): Reliability {
  const reliability: Reliability = {
    losses: [],
    sure: [],
    draws: [],
    add({ said, truth, ...draw }) {
      reliability.draws.push(draw);
      said.forEach((one, i) => {
        const most = mostProbable(one);
        reliability.losses.push(-Math.log(Math.max(1e-12, one[truth[i]!]!)));
        reliability.sure.push({ probability: one[most]!, right: most === truth[i] });
      });
    },
  };
  return reliability;
}

/** Mean difference between probability and share of right labels in 15 bins (Guo et al. 2017), weighted by their images. */
function calibrationError(sure: Reliability['sure']): number {
  let sum = 0;
  for (let bin = 0; bin < bins; bin++) {
    const own = sure.filter(({ probability }) => Math.min(bins - 1, Math.floor(probability * bins)) === bin);
    sum += Math.abs(own.reduce((total, { probability, right }) => total + probability - Number(right), 0));
  }
  return sum / sure.length;
}

export function reliabilityText({ losses, sure, draws }: Reliability): string {
  const percent = (share: number, digits = 1) => `${(100 * share).toFixed(digits)} %`;
  const surest = sure.filter(({ probability }) => probability >= certain);
  const mistakes = surest.filter(({ right }) => !right).length;
  const highest = sure.reduce((max, { probability }) => Math.max(max, probability), 0);
  const mean = (of: (draw: (typeof draws)[number]) => number) =>
    draws.reduce((sum, draw) => sum + of(draw), 0) / draws.length;
  const above = (of: 'escapes' | 'falseRejects') =>
    draws.filter(({ reported, actual }) => actual[of].rate > reported[of].high).length;
  const broken = (of: 'escapes' | 'falseRejects') => {
    const stated = draws.filter(({ promised }) => promised[of]);
    const limit = of === 'escapes' ? 'escapeRate' : 'falseRejectRate';
    const over = stated.filter(({ actual, targets }) => actual[of].rate > targets[limit]).length;
    return `${over} of ${stated.length}`;
  };
  return [
    `accuracy ${percent(sure.filter(({ right }) => right).length / sure.length)}`,
    `log loss ${mean0(losses).toFixed(4)}`,
    `calibration error ${percent(calibrationError(sure), 2)}`,
    `mean probability ${percent(mean0(sure.map(({ probability }) => probability)))}, highest ${highest.toFixed(4)}`,
    `${certain} or more ${percent(surest.length / sure.length)}, of them wrong ${surest.length > 0 ? percent(mistakes / surest.length, 2) : '-'}`,
    `escapes ${percent(mean((draw) => draw.actual.escapes.rate))} (reported ${percent(mean((draw) => draw.reported.escapes.rate))}), above the reported interval in ${above('escapes')}`,
    `false rejects ${percent(mean((draw) => draw.actual.falseRejects.rate))} (reported ${percent(mean((draw) => draw.reported.falseRejects.rate))}), above in ${above('falseRejects')}`,
    `promises broken: escapes ${broken('escapes')}, false rejects ${broken('falseRejects')}`,
    `uncertain ${percent(mean((draw) => draw.actual.uncertain.rate))}`,
  ].join('; ');
}

const mean0 = (numbers: readonly number[]) => numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
