/** What the pretend line knows of its parts, and how results compare with it. */
import type { Label } from './part.ts';

/** One part that went by; all times in ms since the epoch. */
export interface Truth {
  /** Counts the line's parts from 1. */
  readonly serial: number;
  readonly label: Label;
  /** Its first point is about to come into the region. */
  readonly enteredAt: number;
  readonly centredAt: number;
  /** Its last point has left the region. */
  readonly leftAt: number;
}

export interface Match<R> {
  readonly result: R;
  /** The part in the region when the frame was captured; undefined if it was empty. */
  readonly truth: Truth | undefined;
}

export interface MatchedResults<R> {
  /** One for each result, in the same order. */
  readonly matches: readonly Match<R>[];
  /** Parts without any result. */
  readonly missed: readonly Truth[];
  /** Parts with more than one result. */
  readonly doubled: readonly Truth[];
}

/**
 * Finds for each result the part it speaks of, by capture time alone.
 * @param results `capturedAt` in ms since the epoch or ISO 8601
 * @param truths only parts that should have been judged, or the others count as missed
 * @param toleranceMs how much later than drawn a frame may say it was captured; less than the region stays empty
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
