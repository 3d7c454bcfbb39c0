import { guessLight, inLight, type Light, median, outOfLight, refineLight, sameLight } from './light.ts';
import type { Thumbnail } from './thumbnail.ts';

/** Frames whose median becomes the background: what moves through them leaves no trace. */
const LEARN_FRAMES = 12;
/** Least difference that counts, levels of 255 in the light of the background. */
const LEAST_CONTRAST = 10;
/** How fast the background follows slow changes while nothing is in view, share per frame. */
const DRIFT = 0.02;
/** The same where the picture differs: dirt is learned in a minute or two, the tip of a waiting part hardly. */
const DRIFT_DIFFERING = 0.001;
/** From this differing share on, a light step is considered. */
const LARGE = 0.3;
/** A light step that explains all but this share of the picture needs no other proof. */
const NEARLY_ALL = 0.02;

/** What differs from the empty background. */
export interface Foreground {
  readonly width: number;
  readonly height: number;
  /** 1 where the picture differs. */
  readonly mask: Uint8Array;
  /** Of the whole picture, 0 to 1. */
  readonly share: number;
  /** The background in this picture's light. */
  readonly expected: Float32Array;
  /** Difference that noise does not reach, levels. */
  readonly tolerance: Float32Array;
}

/**
 * The empty picture, pixel by pixel with its noise, compared in whatever light there is.
 * After codebook and running-average models (Piccardi, "Background subtraction techniques", 2004), with
 * the light taken out by a robust gain and offset for the whole picture.
 */
export class Background {
  #learning: Thumbnail[] = [];
  #level: Float32Array | undefined;
  #noise = new Float32Array();
  #light: Light = sameLight;
  #share = 0;

  get learned(): boolean {
    return this.#level !== undefined;
  }

  /** Forgets everything: the next pictures are learned. */
  reset(): void {
    this.#learning = [];
    this.#level = undefined;
    this.#light = sameLight;
    this.#share = 0;
  }

  /** One of the pictures to learn from; `learned` after the last. */
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
      this.#noise[at] = Math.min(5, 1.48 * spread);
    }
    this.#level = level;
    this.#learning = [];
  }

  /** Compares a picture with the background, in the light that explains most of it. */
  compare({ width, height, luma }: Thumbnail): Foreground {
    const level = this.#level!;
    // From picture to picture light changes little: follow it by the pixels that show the background.
    let light = refineLight(level, luma, this.#tolerance(this.#light), this.#light, [1.5, 1]);
    let seen = this.#differ(luma, light, width, height);
    if (seen.share > LARGE) {
      for (const guess of guessLight(level, luma)) {
        const stepped = refineLight(level, luma, this.#tolerance(guess), guess, [4, 2, 1]);
        const other = this.#differ(luma, stepped, width, height);
        if (other.share < seen.share && this.#isLightStep(seen, other)) [light, seen] = [stepped, other];
      }
    }
    this.#light = light;
    this.#share = seen.share;
    return seen;
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

  /** Takes these pixels of a picture for the background. */
  patch(pixels: Iterable<number>, { luma }: Thumbnail): void {
    for (const at of pixels) {
      this.#level![at] = outOfLight(this.#light, luma[at]!);
      this.#noise[at] = Math.max(2, this.#noise[at]!);
    }
  }

  #tolerance({ gain }: Light): Float32Array {
    const least = LEAST_CONTRAST * Math.min(1.5, Math.max(0.4, gain));
    return this.#noise.map((noise) => Math.max(least, 4.5 * noise));
  }

  /** A part that covers the background also looks like other light to what it covers: ask more than a better fit. */
  #isLightStep(before: Foreground, after: Foreground): boolean {
    if (after.share < NEARLY_ALL) return true;
    const sudden = before.share - this.#share > LARGE;
    return sudden && after.share < before.share / 2 && rim(after) < 0.4;
  }

  #differ(luma: Float32Array, light: Light, width: number, height: number): Foreground {
    const tolerance = this.#tolerance(light);
    const expected = this.#level!.map((level) => inLight(light, level));
    const mask = differing(luma, expected, tolerance, width, height);
    return { width, height, mask, share: countOf(mask) / mask.length, expected, tolerance };
  }
}

/** 1 where two pictures differ by more than their noise. */
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

/** Share of the outermost pixels that differ: light changes there as well, a part seldom covers it all. */
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
