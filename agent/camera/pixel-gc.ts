import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Pixels that may become garbage before the young generation is collected, bytes. */
const mostGarbage = 4e6;
let garbage = 0;
let collect: ((options: { type: 'minor' }) => void) | undefined;

/**
 * Told of every buffer for pixels before it is made. Pixels die young but are large, and V8 counts them as part of the old
 * heap until it looks: it would mark all of it every half second, and the main loop would stand still for 20 ms each time.
 * Collecting the young generation frees them in one. There is one heap, so one count for all cameras of the process.
 */
export function madePixels(bytes: number): void {
  garbage += bytes;
  if (garbage < mostGarbage) return;
  garbage = 0;
  collect ??= youngCollector();
  collect?.({ type: 'minor' });
}

function youngCollector(): typeof collect {
  // What is alive after a whole collection may grow by so much before the next: room for the pixels under way, and little for garbage that was promoted.
  setFlagsFromString('--heap-growing-percent=20');
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as typeof collect;
}
