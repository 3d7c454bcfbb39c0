import { median } from '../../models/median.ts';
import { guessLight, inLight, type Light, outOfLight, refineLight, sameLight, sample } from './light.ts';
import type { Thumbnail } from './thumbnail.ts';

/** Number of frames whose median becomes the background: moving objects do not affect the median. */
const LEARN_FRAMES = 12;
/** Minimum difference that counts, levels of 255 in the light of the background. */
const MIN_CONTRAST = 10;
/** A difference above this multiple of the noise is not noise. */
const NOISES = 4.5;
/** Rate at which the background follows slow changes while no part is in view, share per frame. */
const DRIFT = 0.02;
/** The same for pixels that differ: dirt is learned within two minutes, the edge of a waiting part hardly. */
const DRIFT_DIFFERING = 0.001;
/** If at least this share differs, a light step is considered. */
const LARGE = 0.3;
/** If at least this share differs, too little of the background is visible to follow the light. */
const COVERED = 0.5;
/** A light step that explains all but this share of the image and keeps its structure is accepted without further proof. */
const NEARLY_ALL = 0.02;
/** Minimum correlation with the background at which an image has its structure. */
const SAME_STRUCTURE = 0.5;
/** Standard deviation below which an image has no structure, levels. */
const PLAIN = 4;
/** Noise of a background made from too few frames to measure it, levels. */
const MIN_NOISE = 1.5;
const MAX_NOISE = 5;

/** A background as stored: row by row, levels of 255 in the light in which it was learned. */
export interface BackgroundLevels {
  readonly level: Float32Array;
  readonly noise: Float32Array;
}

/** Pixels that differ from the empty background. */
export interface Foreground {
  readonly width: number;
  readonly height: number;
  /** 1 for each pixel that differs. */
  readonly mask: Uint8Array;
  /** Share of the whole image, 0 to 1. */
  readonly share: number;
  /** The background in the light of this image. */
  readonly expected: Float32Array;
  /** Maximum difference caused by noise, levels. */
  readonly tolerance: Float32Array;
}

/**
 * The empty image with the noise of each pixel, compared independently of the light. After codebook and running-average
 * models (Piccardi, "Background subtraction techniques", 2004), with a robust gain and offset of the light for the whole
 * image.
 */
export class Background {
  #learning: Thumbnail[] = [];
  #level: Float32Array | undefined;
  #noise = new Float32Array();
  #light: Light = sameLight;
  #share = 0;
  #lightSteps = 0;

  /** A background from one image; its noise (the same for all pixels) is the change since the previous image. */
  static of(picture: Thumbnail, before: Thumbnail): Background {
    const earlier = sample(before.luma);
    const changed = median(sample(picture.luma).map((level, n) => Math.abs(level - earlier[n]!)));
    const background = new Background();
    background.#level = picture.luma.slice();
    background.#noise = new Float32Array(picture.luma.length).fill(
      Math.min(MAX_NOISE, Math.max(MIN_NOISE, changed)),
    );
    return background;
  }

  /** A background that was stored. @param levels and noise of each pixel, in levels of 255 */
  static from({ level, noise }: BackgroundLevels): Background {
    const background = new Background();
    background.#level = level.slice();
    background.#noise = noise.slice();
    return background;
  }

  get learned(): boolean {
    return this.#level !== undefined;
  }

  /** Values to store; undefined before it is learned. */
  get levels(): BackgroundLevels | undefined {
    return this.#level && { level: this.#level.slice(), noise: this.#noise.slice() };
  }

  /** How often the whole image became brighter or darker at once. */
  get lightSteps(): number {
    return this.#lightSteps;
  }

  /** Adds an image to learn from; `learned` is true after the last. */
  learn(picture: Thumbnail): void {
    this.#learning.push(picture);
    if (this.#learning.length < LEARN_FRAMES) return;
    const size = picture.luma.length;
    const level = new Float32Array(size);
    this.#noise = new Float32Array(size);
    for (let at = 0; at < size; at++) {
      const samples = Float32Array.from(this.#learning, ({ luma }) => luma[at]!);
      level[at] = median(samples);
      const spread = median(samples.map((value) => Math.abs(value - level[at]!)));
      // The median, so that a passing part does not make its path insensitive; 1.48 converts a median distance to a
      // standard deviation.
      this.#noise[at] = Math.min(MAX_NOISE, 1.48 * spread);
    }
    this.#level = level;
    this.#learning = [];
  }

  /** Compares an image with the background in the light that explains most of the image. */
  compare(picture: Thumbnail): Foreground {
    const { light, seen, stepped } = this.#fit(picture, this.#share > COVERED);
    this.#light = light;
    this.#share = seen.share;
    if (stepped) this.#lightSteps++;
    return seen;
  }

  /** Median noise of its pixels, levels. */
  get noise(): number {
    return median(sample(this.#noise));
  }

  /** Estimates the share of an image that differs, in the light derived from its mean: much cheaper than `compare`. */
  roughShareOf({ luma }: Thumbnail): number {
    const level = this.#level!;
    let [sum, own] = [0, 0];
    for (let at = 0; at < luma.length; at++) {
      sum += luma[at]!;
      own += level[at]!;
    }
    const gain = Math.min(2, Math.max(0.5, own > 0 ? sum / own : 1));
    let differing = 0;
    for (let at = 0; at < luma.length; at++) {
      const tolerance = Math.max(MIN_CONTRAST, NOISES * this.#noise[at]!);
      if (Math.abs(luma[at]! - gain * level[at]!) > tolerance) differing++;
    }
    return differing / luma.length;
  }

  /** Pixels that differ by more than the given noise, independently of the light; keeps the light of the last image. */
  differsFrom(picture: Thumbnail, noise: number): Foreground {
    const tolerance = new Float32Array(picture.luma.length).fill(Math.max(MIN_CONTRAST, NOISES * noise));
    return this.#fit(picture, false, () => tolerance).seen;
  }

  #fit(
    { width, height, luma }: Thumbnail,
    covered: boolean,
    toleranceIn: (light: Light) => Float32Array = (light) => this.#tolerance(light),
  ): { light: Light; seen: Foreground; stepped: boolean } {
    const level = this.#level!;
    // Light changes little between images: follow it with the pixels that show the background.
    // If a part covers most of it, pixels that seem to show the background may belong to the part.
    let light = covered
      ? this.#light
      : refineLight(level, luma, toleranceIn(this.#light), this.#light, [1.5, 1]);
    let seen = this.#differ(luma, light, toleranceIn(light), width, height);
    const same = seen;
    if (seen.share > LARGE) {
      for (const guess of guessLight(level, luma)) {
        const stepped = refineLight(level, luma, toleranceIn(guess), guess, [4, 2, 1]);
        const other = this.#differ(luma, stepped, toleranceIn(stepped), width, height);
        if (other.share < seen.share && this.#isLightStep(seen, other, luma))
          [light, seen] = [stepped, other];
      }
    }
    return { light, seen, stepped: seen !== same };
  }

  /** Follows slow changes; only while no part is in view. */
  follow({ luma }: Thumbnail, { expected, mask }: Foreground): void {
    const level = this.#level!;
    for (let at = 0; at < luma.length; at++) {
      // In the light in which it was learned: otherwise pixels that follow slowly would have another light than the rest.
      level[at]! += (mask[at] ? DRIFT_DIFFERING : DRIFT) * (outOfLight(this.#light, luma[at]!) - level[at]!);
      if (mask[at]) continue;
      const deviation = 1.25 * Math.abs(luma[at]! - expected[at]!);
      this.#noise[at]! += DRIFT * (deviation - this.#noise[at]!);
    }
  }

  /** Replaces these pixels of the background by those of an image. */
  patch(pixels: Iterable<number>, { luma }: Thumbnail): void {
    for (const at of pixels) {
      this.#level![at] = outOfLight(this.#light, luma[at]!);
      this.#noise[at] = Math.max(2, this.#noise[at]!);
    }
  }

  #tolerance({ gain }: Light): Float32Array {
    const least = MIN_CONTRAST * Math.min(1.5, Math.max(0.4, gain));
    return this.#noise.map((noise) => Math.max(least, NOISES * noise));
  }

  /** A part that covers the background can look like a light change there, so a better fit alone is not enough. */
  #isLightStep(before: Foreground, after: Foreground, luma: Float32Array): boolean {
    const sudden = before.share - this.#share > LARGE;
    // A part that fills the region looks like a light change, but does not have the structure of the belt. A plain part
    // can, but it enters over the rim.
    const { plain, correlation } = structures(this.#level!, luma, after.mask);
    if (plain ? !sudden : correlation < SAME_STRUCTURE) return false;
    if (after.share < NEARLY_ALL) return true;
    return sudden && after.share < before.share / 2 && rim(after) < 0.4;
  }

  #differ(
    luma: Float32Array,
    light: Light,
    tolerance: Float32Array,
    width: number,
    height: number,
  ): Foreground {
    const expected = this.#level!.map((level) => inLight(light, level));
    const mask = differing(luma, expected, tolerance, width, height);
    return { width, height, mask, share: countOf(mask) / mask.length, expected, tolerance };
  }
}

/** 1 for each pixel where two images differ by more than their noise. */
export function differing(
  one: Float32Array,
  other: Float32Array,
  tolerance: Float32Array,
  width: number,
  height: number,
): Uint8Array {
  const raw = new Uint8Array(one.length);
  for (let at = 0; at < one.length; at++) raw[at] = Math.abs(one[at]! - other[at]!) > tolerance[at]! ? 1 : 0;
  return withoutSpecks(raw, width, height);
}

export function countOf(mask: Uint8Array): number {
  let count = 0;
  for (const value of mask) count += value;
  return count;
}

/** Whether both are plain, and their correlation (Pearson), outside of a mask. */
function structures(
  one: Float32Array,
  other: Float32Array,
  mask: Uint8Array,
): { plain: boolean; correlation: number } {
  let [n, sumA, sumB, sumAA, sumBB, sumAB] = [0, 0, 0, 0, 0, 0];
  for (let at = 0; at < one.length; at++) {
    if (mask[at]) continue;
    const [a, b] = [one[at]!, other[at]!];
    n++;
    sumA += a;
    sumB += b;
    sumAA += a * a;
    sumBB += b * b;
    sumAB += a * b;
  }
  const [varianceA, varianceB] = [sumAA / n - (sumA / n) ** 2, sumBB / n - (sumB / n) ** 2];
  const product = Math.sqrt(Math.max(0, varianceA * varianceB));
  return {
    plain: Math.max(varianceA, varianceB) < PLAIN ** 2,
    correlation: product > 0 ? (sumAB / n - (sumA / n) * (sumB / n)) / product : 0,
  };
}

/** Share of the outermost pixels that differ: a light change affects all of them, a part rarely covers all. */
function rim({ width, height, mask }: Foreground): number {
  let differing = 0;
  let count = 0;
  for (let y = 0; y < height; y++) {
    const step = y === 0 || y === height - 1 ? 1 : Math.max(1, width - 1);
    for (let x = 0; x < width; x += step) {
      differing += mask[y * width + x]!;
      count++;
    }
  }
  return differing / count;
}

/** Keeps a pixel only where at least two of its eight neighbours differ too. */
function withoutSpecks(raw: Uint8Array, width: number, height: number): Uint8Array {
  const mask = new Uint8Array(raw.length);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      if (!raw[at]) continue;
      let around = -1;
      for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); v++)
        for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); u++) around += raw[v * width + u]!;
      if (around >= 2) mask[at] = 1;
    }
  }
  return mask;
}
