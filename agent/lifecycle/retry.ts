import { setTimeout as sleep } from 'node:timers/promises';

export interface RetryOptions {
  /** Ends the loop; the attempt in progress gets the same signal. */
  readonly signal: AbortSignal;
  /** First and longest wait between two attempts, ms. */
  readonly minMs?: number;
  readonly maxMs?: number;
  /** An attempt that lasted this long was a success: the next wait starts small again, ms. */
  readonly healthyMs?: number;
  /** Told of every ended attempt and of the wait before the next. */
  readonly onFailure: (error: unknown, waitMs: number) => void;
}

/**
 * Runs the attempt again and again until the signal aborts: exponential back-off with full jitter
 * (Brooker, "Exponential Backoff And Jitter", AWS 2015). The only place in the agent that retries.
 */
export async function retry(
  attempt: (signal: AbortSignal) => Promise<void>,
  options: RetryOptions,
): Promise<void> {
  const { signal, minMs = 250, maxMs = 15_000, healthyMs = 10_000, onFailure } = options;
  let failures = 0;
  while (!signal.aborted) {
    const startedAt = performance.now();
    let failure: unknown = new Error('ended without an error');
    try {
      await attempt(signal);
    } catch (error) {
      failure = error;
    }
    if (signal.aborted) return;
    failures = performance.now() - startedAt >= healthyMs ? 1 : failures + 1;
    const ceiling = Math.min(maxMs, minMs * 2 ** Math.min(failures - 1, 20));
    const waitMs = Math.round(minMs / 2 + Math.random() * (ceiling - minMs / 2));
    onFailure(failure, waitMs);
    await sleep(waitMs, undefined, { signal }).catch(() => undefined);
  }
}
