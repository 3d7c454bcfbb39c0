import { median } from '../../models/median.ts';
import { guessLight, inLight, type Light, outOfLight, refineLight, sameLight, sample } from './light.ts';
import type { Thumbnail } from './thumbnail.ts';

/** Frames whose median becomes the background: what moves through them leaves no trace. */
const LEARN_FRAMES = 12;
/** Least difference that counts, levels of 255 in the light of the background. */
const MIN_CONTRAST = 10;
/** A difference of this many times the noise is none of it. */
const NOISES = 4.5;
/** How fast the background follows slow changes while nothing is in view, share per frame. */
const DRIFT = 0.02;
/** The same where the image differs: dirt is learned in a minute or two, the tip of a waiting part hardly. */
const DRIFT_DIFFERING = 0.001;
/** From this differing share on, a light step is considered. */
const LARGE = 0.3;
/** From this differing share on, too little of the background is left to follow the light by. */
const COVERED = 0.5;
/** A light step that explains all but this share of the image and keeps its structure needs no other proof. */
const NEARLY_ALL = 0.02;
/** Correlation with the background from which on an image has its structure. */
const SAME_STRUCTURE = 0.5;
/** Standard deviation below which an image has no structure, levels. */
const PLAIN = 4;
/** Noise of a background made from too few frames to measure it, levels. */
const MIN_NOISE = 1.5;
const MAX_NOISE = 5;

/** A background as it is kept: row by row, levels of 255 in the light it was learned in. */
export interface BackgroundLevels {
  readonly level: Float32Array;
  readonly noise: Float32Array;
}

/** What differs from the empty background. */
export interface Foreground {
  readonly width: number;
  readonly height: number;
  /** 1 where the image differs. */
  readonly mask: Uint8Array;
  /** Of the whole image, 0 to 1. */
  readonly share: number;
  /** The background in this image's light. */
  readonly expected: Float32Array;
  /** Difference that noise does not reach, levels. */
  readonly tolerance: Float32Array;
}

/**
 * The empty image, pixel by pixel with its noise, compared in whatever light there is.
 * After codebook and running-average models (Piccardi, "Background subtraction techniques", 2004), with
 * the light taken out by a robust gain and offset for the whole image.
 */
export class Background {
  #learning: Thumbnail[] = [];
  #level: Float32Array | undefined;
  #noise = new Float32Array();
  #light: Light = sameLight;
  #share = 0;
  #lightSteps = 0;

  /** A background of one image; its noise, the same everywhere, is what changed since the one before. */
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

  /** A background that was kept. @param levels and noise of each pixel, in levels of 255 */
  static from({ level, noise }: BackgroundLevels): Background {
    const background = new Background();
    background.#level = level.slice();
    background.#noise = noise.slice();
    return background;
  }

  get learned(): boolean {
    return this.#level !== undefined;
  }

  /** To be kept; undefined before it is learned. */
  get levels(): BackgroundLevels | undefined {
    return this.#level && { level: this.#level.slice(), noise: this.#noise.slice() };
  }

  /** How often all of the image became brighter or darker at once. */
  get lightSteps(): number {
    return this.#lightSteps;
  }

  /** One of the images to learn from; `learned` after the last. */
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
      // A part that moved through must not make its path blind; 1.48 makes a deviation of a median distance.
      this.#noise[at] = Math.min(MAX_NOISE, 1.48 * spread);
    }
    this.#level = level;
    this.#learning = [];
  }

  /** Compares an image with the background, in the light that explains most of it. */
  compare(picture: Thumbnail): Foreground {
    const { light, seen, stepped } = this.#fit(picture, this.#share > COVERED);
    this.#light = light;
    this.#share = seen.share;
    if (stepped) this.#lightSteps++;
    return seen;
  }

  /** Noise of its pixels, median, levels. */
  get noise(): number {
    return median(sample(this.#noise));
  }

  /** About the share of an image that differs, in the light that its mean tells: at a small part of the cost of `compare`. */
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

  /** What differs by more than the noise given, the same in any light; the light of the last image is kept. */
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
    // From image to image light changes little: follow it by the pixels that show the background.
    // Where a part covers most of it, the pixels that seem to show the background may be the part's.
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

  /** Follows slow changes; only while nothing is in view. */
  follow({ luma }: Thumbnail, { expected, mask }: Foreground): void {
    const level = this.#level!;
    for (let at = 0; at < luma.length; at++) {
      // In the light it was learned in: otherwise what follows slowly would keep another light than the rest.
      level[at]! += (mask[at] ? DRIFT_DIFFERING : DRIFT) * (outOfLight(this.#light, luma[at]!) - level[at]!);
      if (mask[at]) continue;
      const deviation = 1.25 * Math.abs(luma[at]! - expected[at]!);
      this.#noise[at]! += DRIFT * (deviation - this.#noise[at]!);
    }
  }

  /** Takes these pixels of an image for the background. */
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

  /** A part that covers the background also looks like other light to what it covers: ask more than a better fit. */
  #isLightStep(before: Foreground, after: Foreground, luma: Float32Array): boolean {
    const sudden = before.share - this.#share > LARGE;
    // A part that fills the region looks like other light, but has not the structure of the belt. A plain one does, but
    // comes in over the rim.
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

/** 1 where two images differ by more than their noise. */
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

/** Share of the outermost pixels that differ: light changes there as well, a part rarely covers it all. */
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
