/** Decides whether a candidate may replace the active head. Pure. */
import { countLabels } from './choose-frames.ts';
import { interval95, upperBound } from './interval.ts';

export interface Gate {
  readonly allowed: boolean;
  /** Shown to the operator. */
  readonly reason: string;
}

export interface Compared {
  readonly version: string;
  /** For each part, whether the active head was right. */
  readonly right: readonly boolean[];
  /** For each part, whether its answer is known; the others are not compared. Default: all. */
  readonly known?: readonly boolean[];
  /** Why no answer is known. */
  readonly incomparable?: string | undefined;
}

/** A candidate that is worse by at most this share counts as no worse. */
const margin = 0.02;
const risk = 0.05;

/**
 * Refuses a candidate that is worse than the active head on the same held-out parts, or that cannot be shown to be no worse: it
 * must be right for at least half of the parts where only one of the two is right, or its loss must be below 2 % (paired test,
 * one-sided 95 %). Without an active head it must be better than always answering with the most frequent label.
 * @param right for each part, whether the candidate was right when the part was held out
 */
export function judgeCandidate(
  right: readonly boolean[],
  truth: readonly string[],
  active: Compared | undefined,
): Gate {
  const parts = right.length;
  const correct = right.filter(Boolean).length;
  const commonest = Math.max(...Object.values(countLabels(truth)));
  const { low } = interval95(correct, parts);
  if (low <= commonest / parts) {
    return {
      allowed: false,
      reason: `it is right for ${correct} of ${parts} parts; always answering with the most frequent label would be right for ${commonest}, and the difference is not significant`,
    };
  }
  if (!active)
    return {
      allowed: true,
      reason: 'there is no active model version yet, and it is significantly better than guessing',
    };
  const known = right.map((_, i) => active.known?.[i] ?? true);
  const compared = known.filter(Boolean).length;
  if (compared === 0) {
    return {
      allowed: true,
      reason: `${active.incomparable ?? `${active.version} has no recorded answers to compare with`}, and it is significantly better than guessing`,
    };
  }
  const won = right.filter((is, i) => known[i] && is && !active.right[i]).length;
  const lost = right.filter((is, i) => known[i] && !is && active.right[i]).length;
  const counts = `of ${compared} parts it gets ${won} right that ${active.version} gets wrong, and ${lost} wrong that ${active.version} gets right`;
  if (lost > won) return { allowed: false, reason: `it is worse: ${counts}` };
  if (lost === 0 || won > lost) return { allowed: true, reason: counts };
  const worst = upperBound(lost, compared, risk) - won / compared;
  return worst <= margin
    ? { allowed: true, reason: `it is at least as good: ${counts}` }
    : { allowed: false, reason: `it is not shown to be at least as good: ${counts}; label more parts` };
}
