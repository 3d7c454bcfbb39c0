import { monotonicMs } from '../../models/run/monotonic.ts';

/**
 * The times of a frame that has just been taken, by the current wall clock, ms since the epoch. They are for messages only;
 * ages and orders are compared by `Frame.times`, whose clock cannot be set.
 * @param capturedAt by `monotonicMs`
 */
export function wallTimes(capturedAt: number): { readonly capturedAt: number; readonly receivedAt: number } {
  const now = Date.now();
  return { capturedAt: now - (monotonicMs() - capturedAt), receivedAt: now };
}
