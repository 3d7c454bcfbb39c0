/** Estimates the error rates of the active head on the line from labelled parts. Pure. */
import type { LabelledFrame } from '../dataset/frame.ts';
import { type Interval, interval95 } from '../train/interval.ts';

export interface Estimate {
  /** Of randomly drawn bad parts, those that passed. */
  readonly escapes: Interval;
  /** Of randomly drawn good parts, those that failed. */
  readonly falseRejects: Interval;
  /** Labels of all parts, drawn or not, that differ from the result. */
  readonly corrections: number;
}

/**
 * Rates use only randomly drawn parts: other candidates are selected because they are uncertain, which would bias the rates. Both
 * rates have exact 95 % intervals.
 * @param version the head to evaluate
 */
export function estimateOf(
  frames: readonly LabelledFrame[],
  good: readonly string[],
  version: string | undefined,
): Estimate {
  const judged = frames.flatMap(({ label, judged }) =>
    judged && judged.version === version ? [{ ...judged, truth: label, isGood: good.includes(label) }] : [],
  );
  const drawn = judged.filter((one) => one.drawn);
  const rate = (among: typeof drawn, verdict: 'pass' | 'fail') =>
    interval95(among.filter((one) => one.verdict === verdict).length, among.length);
  return {
    escapes: rate(
      drawn.filter(({ isGood }) => !isGood),
      'pass',
    ),
    falseRejects: rate(
      drawn.filter(({ isGood }) => isGood),
      'fail',
    ),
    corrections: judged.filter(({ label, truth }) => label !== truth).length,
  };
}
