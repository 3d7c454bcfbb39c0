/** Looking at pictures beside a line that needs the same cores and the same memory. */
import { setTimeout as sleep } from 'node:timers/promises';

/** So much longer than on an idle machine and nobody else is meant. */
const tolerance = 1.5;
const longestRestMs = 500;

/**
 * One picture at a time, and after each a rest as long as it took beyond what it takes on an idle machine: that was time in
 * which somebody else wanted to work. On an idle machine it costs nothing.
 */
export function considerate<In, Out>(look: (picture: In) => Promise<Out>): (picture: In) => Promise<Out> {
  let best = Number.POSITIVE_INFINITY;
  let last: Promise<unknown> = Promise.resolve();
  return (picture) => {
    const mine = last.then(async () => {
      const began = performance.now();
      const seen = await look(picture);
      const took = performance.now() - began;
      best = Math.min(best, took);
      const over = took - tolerance * best;
      if (over > 0) await sleep(Math.min(over, longestRestMs));
      return seen;
    });
    last = mine.catch(() => undefined);
    return mine;
  };
}
