import type { Image } from '../../models/image.ts';

/** Luma of a small grid, row by row, each 0 to 255. */
export interface Thumbnail {
  readonly width: number;
  readonly height: number;
  readonly luma: Float32Array;
}

/** Longest side of a thumbnail, pixels: enough to see a part, small enough to average the sensor noise away. */
const SIDE = 64;

/** Shrinks an image by averaging whole boxes of pixels; luma by ITU-R BT.601. */
export function thumbnail({ width, height, data }: Image): Thumbnail {
  const scale = Math.min(1, SIDE / Math.max(width, height));
  const small = {
    width: Math.max(1, Math.round(width * scale)),
    height: Math.max(1, Math.round(height * scale)),
  };
  const sums = new Float32Array(small.width * small.height);
  const counts = new Float32Array(sums.length);
  const columns = Int32Array.from({ length: width }, (_, x) => Math.floor((x * small.width) / width));
  for (let y = 0, at = 0; y < height; y++) {
    const row = Math.floor((y * small.height) / height) * small.width;
    for (let x = 0; x < width; x++, at += 3) {
      const box = row + columns[x]!;
      sums[box]! += 0.299 * data[at]! + 0.587 * data[at + 1]! + 0.114 * data[at + 2]!;
      counts[box]!++;
    }
  }
  for (let box = 0; box < sums.length; box++) sums[box]! /= counts[box]!;
  return { ...small, luma: sums };
}

/** True for an image with the lights off: nearly black and without structure. */
export function isDark({ luma }: Thumbnail): boolean {
  let sum = 0;
  let squares = 0;
  for (const value of luma) {
    sum += value;
    squares += value * value;
  }
  const mean = sum / luma.length;
  return mean < 16 && squares / luma.length - mean * mean < 6 * 6;
}
