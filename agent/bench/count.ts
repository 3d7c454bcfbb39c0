/** Counts missing results of cameras with a fixed rate of parts. */
import type { Result } from '../publish/messages.ts';

export interface Counted {
  /** Parts that were due by the capture times of their neighbours, but never arrived. */
  readonly skipped: number;
  /** Missing sequence numbers between results. */
  readonly gaps: number;
  /** Results without a judgement. */
  readonly failed: number;
}

/**
 * Counts lost parts of cameras with a fixed interval between parts; if a camera has no result, all its parts are lost.
 * @param results results of the measured time, those of each camera in order
 * @param seconds length of the measured time
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

/** Total: a part that was not judged counts as lost, too. */
export const lostOf = ({ skipped, gaps, failed }: Counted): number => skipped + gaps + failed;
