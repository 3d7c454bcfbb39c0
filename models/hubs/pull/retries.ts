/** Waits before the next attempt, and limits the number of attempts. */
import { setTimeout as sleep } from 'node:timers/promises';
import { QcError } from '../../../config/errors.ts';
import type { Transient } from './failures.ts';

export interface RetryRules {
  /** Maximum number of consecutive attempts without new data. */
  readonly attempts: number;
  /** Shortest and longest wait, ms. */
  readonly minMs: number;
  readonly maxMs: number;
  /** Maximum waiting time that a hub may request, ms. */
  readonly maxAskedMs: number;
}

export interface PauseDeps {
  readonly retry: RetryRules;
  readonly signal: AbortSignal;
  readonly onNotice: (text: string) => void;
  /** Bytes that the next download continues. */
  readonly kept?: number;
}

/** @param failures in a row. @throws QcError hub-unreachable, hub-busy; the reason of the signal */
export async function pause(failure: Transient, failures: number, deps: PauseDeps): Promise<void> {
  const { retry, signal, onNotice, kept = 0 } = deps;
  if (failures >= retry.attempts) {
    const rest = kept > 0 ? ` (${(kept / 1e6).toFixed(1)} MB are kept)` : '';
    throw new QcError('hub-unreachable', `${failure.message}${rest}`, { cause: failure.cause });
  }
  const waitMs = failure.waitMs ?? backOff(failures, retry);
  if (waitMs > retry.maxAskedMs)
    throw new QcError('hub-busy', `${failure.message}; it asks to wait ${Math.ceil(waitMs / 1000)} s`);
  if (waitMs > 0) onNotice(`${failure.message}; next attempt in ${(waitMs / 1000).toFixed(1)} s`);
  await sleep(waitMs, undefined, { signal }).catch(() => signal.throwIfAborted());
}

/** Exponential, with jitter. */
function backOff(failures: number, { minMs, maxMs }: RetryRules): number {
  const ceiling = Math.min(maxMs, minMs * 2 ** (failures - 1));
  return Math.round(ceiling / 2 + (Math.random() * ceiling) / 2);
}
