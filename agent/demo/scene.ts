/** The image of the camera: a belt between two rails, parts, light, and sensor noise. */

import { mixSeeds, type Random, seededRandom } from '../../calibration/train/random.ts';
import type { Image } from '../../models/image.ts';
import { rough, valueNoise } from './noise.ts';
import type { Sprite } from './part.ts';

export interface Light {
  /** Brightness, 1 = nominal. */
  readonly gain: number;
  /** Brightness of the right and the lower edge relative to the opposite ones. */
  readonly slopeX: number;
  readonly slopeY: number;
  /** Positive: more red, less blue. */
  readonly warmth: number;
  /** Direction, radians, 0 = from the right, clockwise. */
  readonly angle: number;
}

export interface Placed {
  readonly sprite: Sprite;
  /** Centre, pixels. */
  readonly x: number;
  readonly y: number;
}

export interface Scene {
  readonly width: number;
  readonly height: number;
  /**
   * Draws one image into the scene's own buffer, which the next call overwrites.
   * @param travel how far the belt has moved, pixels
   * @param noiseSeed a new one for each image
   */
  draw(travel: number, placed: readonly Placed[], light: Light, noiseSeed: number): Image;
}

/** Position of the lamp: above and to the left. */
export const lightFrom = -0.75 * Math.PI;

/** Any light that the line or a sample may have. */
export function anyLight(random: Random): Light {
  return {
    gain: random.between(0.9, 1.1),
    slopeX: random.between(-0.12, 0.12),
    slopeY: random.between(-0.1, 0.1),
    warmth: random.between(-0.03, 0.03),
    angle: lightFrom + random.between(-0.6, 0.6),
  };
}

/** Prepares belt and noise for images of one size. */
export function openScene(width: number, height: number, seed: number): Scene {
  const belt = paintBelt(width, height, seed);
  const noise = sensorNoise(seed);
  const data = new Uint8Array(width * height * 3);
  const pixels = new Uint8ClampedArray(data.buffer);
  const columnGain = new Float32Array(width * 3);

  return {
    width,
    height,
    draw(travel, placed, light, noiseSeed) {
      layBelt(data, belt, width, height, Math.round(travel));
      for (const part of placed) lay(data, width, height, part);
      for (let column = 0; column < width; column++) {
        const gain = light.gain * (1 + light.slopeX * (column / width - 0.5));
        columnGain[column * 3] = gain * (1 + light.warmth);
        columnGain[column * 3 + 1] = gain;
        columnGain[column * 3 + 2] = gain * (1 - light.warmth);
      }
      const random = seededRandom(noiseSeed);
      const stride = width * 3;
      for (let row = 0; row < height; row++) {
        const rowGain = 1 + light.slopeY * (row / height - 0.5);
        let from = random.integer(noise.length - stride);
        for (let at = row * stride, column = 0; column < stride; at++, column++, from++) {
          pixels[at] = data[at]! * rowGain * columnGain[column]! + noise[from]!;
        }
      }
      return { width, height, data };
    },
  };
}

interface Belt {
  readonly period: number;
  readonly pixels: Uint8Array;
}

/** Dark woven rubber between two steel rails; it repeats after `period` pixels. */
function paintBelt(width: number, height: number, seed: number): Belt {
  const scale = height / 480;
  const period = width;
  const pixels = new Uint8Array(period * height * 3);
  const weave = valueNoise(mixSeeds(seed, 1));
  const dirt = rough(valueNoise(mixSeeds(seed, 2)));
  for (let row = 0; row < height; row++) {
    const v = row / scale;
    const rail = v < 40 || v >= 440;
    const groove = Math.abs(v - 40) < 3 || Math.abs(v - 439) < 3;
    for (let column = 0; column < period; column++) {
      const u = column / scale;
      // The period has exactly 64 units of noise, so that the belt has no seam.
      const around = (column / period) * 64;
      const woven = 5 * weave(around * 4, v / 2.5) + 3 * Math.sin(u * 0.9) * Math.sin(v * 0.9);
      const rubber = 50 + woven + 4 * dirt(around, v / 12);
      const steel = 128 + 26 * Math.sin((v < 40 ? v : 480 - v) / 13) + 5 * weave(3, v * 1.7);
      const value = groove ? 22 : rail ? steel : rubber;
      const at = (row * period + column) * 3;
      pixels[at] = value * (rail ? 1 : 0.95);
      pixels[at + 1] = value;
      pixels[at + 2] = value * (rail ? 1.02 : 0.98);
    }
  }
  return { period, pixels };
}

function layBelt(data: Uint8Array, belt: Belt, width: number, height: number, travel: number): void {
  // The belt moves to the right and repeats.
  const start = (((-travel % belt.period) + belt.period) % belt.period) * 3;
  const stride = width * 3;
  const row = belt.period * 3;
  for (let y = 0; y < height; y++) {
    const from = y * row;
    data.set(belt.pixels.subarray(from + start, from + row), y * stride);
    data.set(belt.pixels.subarray(from, from + start), y * stride + row - start);
  }
}

function lay(data: Uint8Array, width: number, height: number, { sprite, x, y }: Placed): void {
  const { side, colour, belt } = sprite;
  const left = Math.round(x - side / 2);
  const top = Math.round(y - side / 2);
  const firstColumn = Math.max(0, -left);
  const lastColumn = Math.min(side, width - left);
  for (let row = Math.max(0, -top); row < Math.min(side, height - top); row++) {
    for (let column = firstColumn; column < lastColumn; column++) {
      const from = row * side + column;
      const shows = belt[from]!;
      if (shows === 255) continue;
      const to = ((top + row) * width + left + column) * 3;
      data[to] = colour[from * 3]! + ((data[to]! * shows) >> 8);
      data[to + 1] = colour[from * 3 + 1]! + ((data[to + 1]! * shows) >> 8);
      data[to + 2] = colour[from * 3 + 2]! + ((data[to + 2]! * shows) >> 8);
    }
  }
}

/** Approximately normal noise of about 1.6 grey levels; each row of an image starts at another position in it. */
function sensorNoise(seed: number): Float32Array {
  const random = seededRandom(mixSeeds(seed, 3));
  return Float32Array.from(
    { length: 2 ** 17 },
    () => (random.next() + random.next() + random.next() - 1.5) * 3.2,
  );
}
