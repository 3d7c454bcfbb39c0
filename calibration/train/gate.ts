/** Whether a candidate may take the place of the active head, and why. Pure. */
import { countLabels } from './choose-frames.ts';
import { interval95, upperBound } from './interval.ts';

export interface Gate {
  readonly allowed: boolean;
  /** In an operator's words. */
  readonly reason: string;
}

export interface Compared {
  readonly version: string;
  /** For each part, whether the active head was right. */
  readonly right: readonly boolean[];
  /** For each part, whether its answer is known; the others are not compared. Default: all. */
  readonly known?: readonly boolean[];
  /** Why none is. */
  readonly incomparable?: string | undefined;
}

/** How much worse a candidate may be and still count as no worse. */
const margin = 0.02;
const risk = 0.05;

/**
 * Refuses a candidate that is worse than the active head on the same held-out parts, or not shown to be no worse: of the
 * parts where only one of them is right, the candidate must win at least half, or its loss must provably stay below two
 * parts in a hundred (paired, one-sided 95 %). Where there is no active head it must beat always saying the commonest label.
 * @param right for each part, whether the candidate was right without having seen it
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
      reason: `it is right in ${correct} of ${parts} parts; always saying the commonest label is right in ${commonest}, which it does not surely beat`,
    };
  }
  if (!active) return { allowed: true, reason: 'there is no active head yet, and it surely beats guessing' };
  const known = right.map((_, i) => active.known?.[i] ?? true);
  const compared = known.filter(Boolean).length;
  if (compared === 0) {
    return {
      allowed: true,
      reason: `${active.incomparable ?? `${active.version} left no answers to compare with`}, and it surely beats guessing`,
    };
  }
  const won = right.filter((is, i) => known[i] && is && !active.right[i]).length;
  const lost = right.filter((is, i) => known[i] && !is && active.right[i]).length;
  const told = `of ${compared} parts it gets ${won} right that ${active.version} gets wrong, and ${lost} wrong that ${active.version} gets right`;
  if (lost > won) return { allowed: false, reason: `it is worse: ${told}` };
  if (lost === 0 || won > lost) return { allowed: true, reason: told };
  const worst = upperBound(lost, compared, risk) - won / compared;
  return worst <= margin
    ? { allowed: true, reason: `it is no worse: ${told}` }
    : { allowed: false, reason: `it is not shown to be no worse: ${told}; label more parts` };
}
