/** The true parts of the simulated line, and their comparison with results. */
import type { Label } from './part.ts';

/** One part of the line; all times in ms since the epoch. */
export interface Truth {
  /** Number of the part, from 1. */
  readonly serial: number;
  readonly label: Label;
  /** When its first point enters the region. */
  readonly enteredAt: number;
  readonly centredAt: number;
  /** When its last point has left the region. */
  readonly leftAt: number;
}

export interface Match<R> {
  readonly result: R;
  /** The part in the region when the frame was captured; undefined if it was empty. */
  readonly truth: Truth | undefined;
}

export interface MatchedResults<R> {
  /** The true part of each result, in the same order. */
  readonly matches: readonly Match<R>[];
  /** Parts without any result. */
  readonly missed: readonly Truth[];
  /** Parts with more than one result. */
  readonly doubled: readonly Truth[];
}

/**
 * Finds the part of each result by its capture time.
 * @param results `capturedAt` in ms since the epoch or ISO 8601
 * @param truths only parts that should have been judged; parts without a result count as missed
 * @param toleranceMs maximum difference between capture time and drawing time; less than the time for which the region is
 * empty
 */
export function matchTruth<R extends { readonly capturedAt: number | string }>(
  results: readonly R[],
  truths: readonly Truth[],
  toleranceMs = 60,
): MatchedResults<R> {
  const judged = new Map<number, number>();
  const matches = results.map((result) => {
    const at = new Date(result.capturedAt).getTime();
    const truth = nearest(
      truths.filter(({ enteredAt, leftAt }) => at >= enteredAt - toleranceMs && at <= leftAt + toleranceMs),
      at,
    );
    if (truth) judged.set(truth.serial, (judged.get(truth.serial) ?? 0) + 1);
    return { result, truth };
  });
  return {
    matches,
    missed: truths.filter(({ serial }) => !judged.has(serial)),
    doubled: truths.filter(({ serial }) => (judged.get(serial) ?? 0) > 1),
  };
}

function nearest(truths: readonly Truth[], at: number): Truth | undefined {
  return truths.reduce<Truth | undefined>(
    (best, truth) => (best && Math.abs(best.centredAt - at) <= Math.abs(truth.centredAt - at) ? best : truth),
    undefined,
  );
}
