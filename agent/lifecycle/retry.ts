import { setTimeout as sleep } from 'node:timers/promises';

export interface RetryOptions {
  /** Ends the loop; the attempt in progress gets the same signal. */
  readonly signal: AbortSignal;
  /** First and maximum delay between two attempts, ms. */
  readonly minMs?: number;
  readonly maxMs?: number;
  /** An attempt that lasted this long counts as a success and resets the delay, ms. */
  readonly healthyMs?: number;
  /** Credentials of the attempt, if it logs in. */
  readonly login?: Login | undefined;
  /** Called after each attempt, with the delay before the next. */
  readonly onFailure: (error: unknown, waitMs: number) => void;
}

/** A log-in that may be refused: repeating it as often as after an outage would lock the account. */
export interface Login {
  /** Whether the peer refused the credentials. */
  refused(error: unknown): boolean;
  /** Aborts when the credentials change, which ends the delay after a refusal. */
  readonly changed: AbortSignal;
}

/** Delays after the first refusals in a row, and after all further ones: at most four log-ins in half an hour, ms. */
const refusalWaitsMs = [60_000, 300_000, 900_000] as const;

/**
 * Repeats the attempt until the signal aborts: exponential back-off with full jitter
 * (Brooker, "Exponential Backoff And Jitter", AWS 2015). Used wherever an outage can last; loops with their own timing
 * explain it in their header.
 */
export async function retry(
  attempt: (signal: AbortSignal) => Promise<void>,
  options: RetryOptions,
): Promise<void> {
  const { signal, minMs = 250, maxMs = 15_000, healthyMs = 10_000, login, onFailure } = options;
  let failures = 0;
  let refusals = 0;
  while (!signal.aborted) {
    const startedAt = performance.now();
    const changed = login?.changed;
    let failure: unknown = new Error('ended without an error');
    try {
      await attempt(signal);
    } catch (error) {
      failure = error;
    }
    if (signal.aborted) return;
    const healthy = performance.now() - startedAt >= healthyMs;
    if (healthy || changed?.aborted) refusals = 0;
    if (changed && login?.refused(failure)) {
      const waitMs = refusalWaitsMs[Math.min(refusals++, refusalWaitsMs.length - 1)]!;
      onFailure(failure, waitMs);
      await sleep(waitMs, undefined, { signal: AbortSignal.any([signal, changed]) }).catch(() => undefined);
      if (changed.aborted) refusals = 0;
      continue;
    }
    failures = healthy ? 1 : failures + 1;
    const ceiling = Math.min(maxMs, minMs * 2 ** Math.min(failures - 1, 20));
    const waitMs = Math.round(minMs / 2 + Math.random() * (ceiling - minMs / 2));
    onFailure(failure, waitMs);
    await sleep(waitMs, undefined, { signal }).catch(() => undefined);
  }
}
