/** Limits the time of each check, so that the doctor always ends. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type ErrorCode, QcError } from '../../config/errors.ts';
import { type Finding, failureOf } from './finding.ts';

export interface CheckLimits {
  readonly timeoutMs: number;
  /** The finding after a timeout. */
  readonly late: ErrorCode;
  readonly signal: AbortSignal;
}

/** Time for a check to clean up after its signal has aborted, ms. */
const graceMs = 3_000;

/**
 * Runs one check for a limited time; an error is a finding as well. Its signal aborts at the timeout
 * or when the doctor is stopped, which adds no findings; a check that ignores it is abandoned.
 */
export async function checkWithin(
  check: string,
  { timeoutMs, late, signal }: CheckLimits,
  run: (signal: AbortSignal) => Promise<Finding[]>,
): Promise<Finding[]> {
  if (signal.aborted) return [];
  const limit = new AbortController();
  const tooLate = new QcError(late, `no answer within ${timeoutMs / 1000} s`);
  const timer = setTimeout(() => limit.abort(tooLate), timeoutMs);
  const stopped = () => limit.abort(signal.reason);
  signal.addEventListener('abort', stopped);
  const over = new AbortController();
  const leftBehind = new Promise<never>((_, reject) => {
    limit.signal.addEventListener('abort', () => {
      sleep(graceMs, undefined, { signal: over.signal }).then(
        () => reject(limit.signal.reason),
        () => undefined,
      );
    });
  });
  try {
    return await Promise.race([run(limit.signal), leftBehind]);
  } catch (error) {
    return signal.aborted ? [] : [failureOf(check, error)];
  } finally {
    over.abort();
    clearTimeout(timer);
    signal.removeEventListener('abort', stopped);
  }
}
