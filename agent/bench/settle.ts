/**
 * Determines when to start measuring: parts that waited during the start must be judged first, or they distort the result.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { percentile } from './figures.ts';
import type { Arrived } from './results.ts';

export interface SettleOptions {
  readonly minMs: number;
  /** Maximum wait: a machine that is too slow never settles. */
  readonly maxMs: number;
  readonly signal?: AbortSignal;
}

const lookMs = 1_000;

/** Waits until the latency no longer decreases from one second to the next. @param arrived grows meanwhile */
export async function settle(
  arrived: readonly Arrived[],
  { minMs, maxMs, signal }: SettleOptions,
): Promise<void> {
  let before = Number.POSITIVE_INFINITY;
  for (let waitedMs = 0; waitedMs < maxMs; ) {
    const from = arrived.length;
    await sleep(lookMs, undefined, signal && { signal });
    waitedMs += lookMs;
    const now = percentile(arrived.slice(from).map(latencyOf), 0.5);
    if (waitedMs >= minMs && hasSettled(before, now)) return;
    before = now;
  }
}

/** Whether the median of a second is about the same as that of the previous second, or higher; false if nothing arrived. */
export function hasSettled(beforeMs: number, nowMs: number): boolean {
  return nowMs >= 0.9 * beforeMs;
}

/** Capture to subscriber, ms. */
export function latencyOf({ result, at }: Arrived): number {
  return at - Date.parse(result.capturedAt);
}
