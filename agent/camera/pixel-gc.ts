import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Bytes of pixels that may become garbage before the young generation is collected. */
const maxGarbage = 4e6;
let garbage = 0;
let collect: ((options: { type: 'minor' }) => void) | undefined;

/**
 * Sets V8 flags of the whole process, so only commands that read cameras call it, at their start.
 *
 * Pixel buffers are short-lived but large, and V8 counts them as external memory of the old generation: it would mark the
 * whole heap every half second and block the main loop for 20 ms each time. A collection of the young generation frees them
 * in 1 ms.
 */
export function collectPixelsEarly(): void {
  // Maximum growth of the live heap between two full collections: room for the pixels in use, and little for promoted
  // garbage.
  setFlagsFromString('--heap-growing-percent=20');
  setFlagsFromString('--expose-gc');
  collect = runInNewContext('gc') as typeof collect;
}

/**
 * To be called before each allocation of a pixel buffer. There is one heap, so there is one count for all cameras of the
 * process.
 */
export function countPixels(bytes: number): void {
  if (!collect) return;
  garbage += bytes;
  if (garbage < maxGarbage) return;
  garbage = 0;
  collect({ type: 'minor' });
}
