/** Figures for aiming a camera: how sharp and how bright an area of its image is. */

/** Samples of 8 bits in full range: `step` bytes from one to the next, `stride` bytes from row to row. */
export interface Samples {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly step: number;
  readonly stride: number;
}

export interface Figures {
  /**
   * Sharpness: mean gradient energy relative to the brightness. It has no unit and no maximum: compare it only with other
   * values of the same scene.
   */
  readonly focus: number;
  /** Share of pixels without any detail because they are too dark or too bright, 0 to 1. */
  readonly dark: number;
  readonly bright: number;
  /** Share of pixels in each of 32 equal steps of brightness, from black to white. */
  readonly histogram: readonly number[];
}

/** Levels of 255 that count as clipped; not only 0 and 255, because lossy coding spreads them. */
const DARK = 3;
const BRIGHT = 252;
const BINS = 32;
/** About this many pixels are read, however large the image. */
const MAX_SAMPLES = 50_000;
/** Below this mean the gradients are not divided by it: they would be noise only. */
const MIN_MEAN = 16;

/** Sharpness after Tenenbaum (Sobel gradients), of neighbouring pixels in full resolution: scaling would hide blur. */
export function figuresOf({ data, width, height, step, stride }: Samples): Figures {
  const every = Math.max(1, Math.floor(Math.sqrt((width * height) / MAX_SAMPLES)));
  const counts = new Float64Array(BINS);
  let [energy, sum, dark, bright, samples] = [0, 0, 0, 0, 0];
  for (let y = 1; y < height - 1; y += every) {
    for (let x = 1; x < width - 1; x += every) {
      const at = y * stride + x * step;
      const above = at - stride;
      const below = at + stride;
      const level = data[at]!;
      const leftUp = data[above - step]!;
      const rightUp = data[above + step]!;
      const leftDown = data[below - step]!;
      const rightDown = data[below + step]!;
      const dx = rightUp + 2 * data[at + step]! + rightDown - leftUp - 2 * data[at - step]! - leftDown;
      const dy = leftDown + 2 * data[below]! + rightDown - leftUp - 2 * data[above]! - rightUp;
      energy += dx * dx + dy * dy;
      sum += level;
      if (level <= DARK) dark++;
      if (level >= BRIGHT) bright++;
      counts[(level * BINS) >> 8]!++;
      samples++;
    }
  }
  if (samples === 0) return { focus: 0, dark: 0, bright: 0, histogram: [...counts] };
  const mean = Math.max(MIN_MEAN, sum / samples);
  return {
    focus: (1000 * energy) / samples / mean ** 2,
    dark: dark / samples,
    bright: bright / samples,
    histogram: Array.from(counts, (count) => count / samples),
  };
}
