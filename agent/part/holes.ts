import type { Foreground } from './background.ts';
import type { Thumbnail } from './thumbnail.ts';

/** A connected area that differs from the background. */
export interface Blob {
  readonly pixels: readonly number[];
  readonly touchesRim: boolean;
  /** Its contour is in the background but not in the image: a learned object has left. */
  readonly hole: boolean;
  /** Its whole contour is in the image but not in the background: an object in front of the background. */
  readonly inFront: boolean;
}

/** Minimum area, pixels of a thumbnail. */
const MIN_PIXELS = 8;

/**
 * The areas of a foreground, and which of them are holes: an object in front of the background has its contour in the
 * image; a place that a learned object has left has it in the background (as in Cucchiara et al., "Detecting moving
 * objects, ghosts, and shadows in video streams", PAMI 2003).
 */
export function blobs(seen: Foreground, { luma }: Thumbnail): Blob[] {
  const { width, height, mask, expected } = seen;
  const left = mask.slice();
  const found: Blob[] = [];
  for (let start = 0; start < left.length; start++) {
    if (!left[start]) continue;
    left[start] = 0;
    const pixels = [start];
    let touchesRim = false;
    let pairs = 0;
    let inPicture = 0;
    let inBackground = 0;
    for (const at of pixels) {
      const x = at % width;
      const y = (at - x) / width;
      if (x === 0 || y === 0 || x === width - 1 || y === height - 1) touchesRim = true;
      for (const [dx, dy] of [
        [1, 0],
        [-1, 0],
        [0, 1],
        [0, -1],
      ] as const) {
        const inside = (steps: number) =>
          x + steps * dx >= 0 && x + steps * dx < width && y + steps * dy >= 0 && y + steps * dy < height;
        const step = dx + dy * width;
        if (!inside(1)) continue;
        if (left[at + step]) {
          left[at + step] = 0;
          pixels.push(at + step);
        }
        // Contours are a few pixels wide: compare two pixels out with one in.
        if (mask[at + step] || !inside(2) || mask[at + 2 * step]) continue;
        const within = inside(-1) && mask[at - step] ? at - step : at;
        inPicture += Math.abs(luma[within]! - luma[at + 2 * step]!);
        inBackground += Math.abs(expected[within]! - expected[at + 2 * step]!);
        pairs++;
      }
    }
    if (pixels.length < MIN_PIXELS) continue;
    const clear = pairs >= MIN_PIXELS && Math.max(inBackground, inPicture) > 8 * pairs;
    const hole = clear && inPicture < inBackground / 2;
    found.push({ pixels, touchesRim, hole, inFront: clear && !touchesRim && inBackground < inPicture / 2 });
  }
  return found;
}

/** An area and all pixels within two pixels of it: contours extend beyond a mask. */
export function widened({ pixels }: Blob, { width, height }: Foreground): Set<number> {
  const wide = new Set<number>();
  for (const at of pixels) {
    const x = at % width;
    const y = (at - x) / width;
    for (let v = Math.max(0, y - 2); v <= Math.min(height - 1, y + 2); v++)
      for (let u = Math.max(0, x - 2); u <= Math.min(width - 1, x + 2); u++) wide.add(v * width + u);
  }
  return wide;
}

/** True if two areas are nearly the same: a hole does not move. */
export function samePlace(a: Blob, b: Blob): boolean {
  const pixels = new Set(a.pixels);
  const shared = b.pixels.filter((at) => pixels.has(at)).length;
  return shared > 0.8 * Math.max(a.pixels.length, b.pixels.length);
}
