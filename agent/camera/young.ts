import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Pixels that may become garbage before the young generation is collected, bytes. */
const mostGarbage = 8e6;

/**
 * Pixels die young but are large: V8, which counts them as old until it collects, would collect the whole heap every
 * half second, and the main loop would stand still for 20 ms each time. Collecting the young generation frees them in one.
 */
let garbage = 0;
let collect: ((options: { type: 'minor' }) => void) | undefined;

/** Told of every buffer for pixels before it is made; one heap, so one count for all cameras of the process. */
export function madePixels(bytes: number): void {
  garbage += bytes;
  if (garbage < mostGarbage) return;
  garbage = 0;
  if (!collect) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as typeof collect;
  }
  collect?.({ type: 'minor' });
}
