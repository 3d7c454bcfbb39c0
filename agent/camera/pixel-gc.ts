import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Pixels that may become garbage before the young generation is collected, bytes. */
const maxGarbage = 4e6;
let garbage = 0;
let collect: ((options: { type: 'minor' }) => void) | undefined;

/**
 * Sets V8 flags of the whole process, so only a command that reads cameras calls it, when it starts.
 *
 * Pixels die young but are large, and V8 counts them as part of the old heap until it looks: it would mark all of it every
 * half second, and the main loop would stand still for 20 ms each time. Collecting the young generation frees them in one.
 */
export function collectPixelsEarly(): void {
  // What is alive after a whole collection may grow by so much before the next: room for the pixels under way, and little for garbage that was promoted.
  setFlagsFromString('--heap-growing-percent=20');
  setFlagsFromString('--expose-gc');
  collect = runInNewContext('gc') as typeof collect;
}

/** Called with every buffer for pixels before it is made. There is one heap, so one count for all cameras of the process. */
export function madePixels(bytes: number): void {
  if (!collect) return;
  garbage += bytes;
  if (garbage < maxGarbage) return;
  garbage = 0;
  collect({ type: 'minor' });
}
