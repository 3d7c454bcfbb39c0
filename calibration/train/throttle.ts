/** Limits how much training slows down a production line on the same machine. */
import { setTimeout as sleep } from 'node:timers/promises';

/** A call may take this many times its best duration before it is followed by a pause. */
const tolerance = 1.5;
const maxPauseMs = 500;

/**
 * Runs one call at a time. If a call takes longer than on an idle machine, other processes need the processor: the next call
 * waits for the extra time. On an idle machine there are no pauses.
 */
export function throttled<In extends unknown[], Out>(
  run: (...input: In) => Promise<Out>,
): (...input: In) => Promise<Out> {
  let best = Number.POSITIVE_INFINITY;
  let last: Promise<unknown> = Promise.resolve();
  return (...input) => {
    const mine = last.then(async () => {
      const began = performance.now();
      const result = await run(...input);
      const took = performance.now() - began;
      best = Math.min(best, took);
      const over = took - tolerance * best;
      if (over > 0) await sleep(Math.min(over, maxPauseMs));
      return result;
    });
    last = mine.catch(() => undefined);
    return mine;
  };
}
