/** What is missing among results that should have come at a pace. */
import type { Result } from '../publish/messages.ts';

export interface Counted {
  /** Parts that were due, by the capture times of those around them, and never came. */
  readonly skipped: number;
  /** Numbers missing between the results that came. */
  readonly gaps: number;
  /** Results of parts that were not judged. */
  readonly failed: number;
}

/**
 * Counts what was lost of cameras that give a part every so many ms; of one without any result all are lost.
 * @param results of the time that is looked at, each camera's in order
 * @param seconds how long that was
 */
export function countLost(
  results: readonly Pick<Result, 'camera' | 'capturedAt' | 'sequence' | 'state'>[],
  cameras: readonly string[],
  { everyMs, seconds }: { readonly everyMs: number; readonly seconds: number },
): Counted {
  const counted = { skipped: 0, gaps: 0, failed: 0 };
  for (const name of cameras) {
    const own = results.filter(({ camera }) => camera === name);
    if (own.length === 0) counted.skipped += Math.floor((seconds * 1000) / everyMs);
    counted.failed += own.filter(({ state }) => state !== 'completed').length;
    for (const [at, result] of own.entries()) {
      const before = own[at - 1];
      if (!before) continue;
      const apartMs = Date.parse(result.capturedAt) - Date.parse(before.capturedAt);
      counted.skipped += Math.max(0, Math.round(apartMs / everyMs) - 1);
      counted.gaps += Math.max(0, result.sequence - before.sequence - 1);
    }
  }
  return counted;
}

/** All of them: a part that came but was not judged is as lost as one that never came. */
export const lostOf = ({ skipped, gaps, failed }: Counted): number => skipped + gaps + failed;
