/** How often the active head is wrong on the line, from parts that people labelled. Pure. */
import type { LabelledFrame } from '../dataset/frame.ts';
import { type Interval, interval95 } from '../train/interval.ts';

export interface Estimate {
  /** Of bad parts drawn by chance, those that passed. */
  readonly escapes: Interval;
  /** Of good parts drawn by chance, those that failed. */
  readonly falseRejects: Interval;
  /** Labels, of parts drawn or not, that differ from what was said. */
  readonly corrections: number;
}

/**
 * Only parts that were drawn by chance count for the rates: parts are otherwise offered because they are doubtful, and would
 * make the head look worse than it is. Both rates with exact 95 % intervals.
 * @param version the head that is asked about
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
