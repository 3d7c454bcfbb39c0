import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { seededRandom } from '../../../calibration/train/random.ts';
import type { Image } from '../../../models/image.ts';

export interface Labelled {
  readonly label: string;
  readonly file: string;
}

/**
 * Draws `train` images of each label of an ImageFolder, and up to `test` of those that are left, in random order.
 * @param folder `folder/<label>/<image>`
 */
export function draw(
  folder: string,
  { train, test, seed }: { readonly train: number; readonly test: number; readonly seed: number },
): { readonly training: Labelled[]; readonly testing: Labelled[] } {
  const random = seededRandom(seed);
  const training: Labelled[] = [];
  const testing: Labelled[] = [];
  for (const label of subfolders(folder)) {
    const files = readdirSync(join(folder, label)).sort();
    const mixed = random.shuffled(files).map((file) => ({ label, file: join(folder, label, file) }));
    training.push(...mixed.slice(0, train));
    testing.push(...mixed.slice(train, train + test));
  }
  return { training, testing: random.shuffled(testing) };
}

function subfolders(folder: string): string[] {
  const entries = readdirSync(folder, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}

/** Decodes an image file of any format to pixels. */
export async function readImage(file: string): Promise<Image> {
  const picture = sharp(file).removeAlpha().toColourspace('srgb').raw();
  const { data, info } = await picture.toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data };
}

/** The image in the middle of a grey frame, pixel by pixel. */
export function framed(
  { width, height, data }: Image,
  frame: { readonly width: number; readonly height: number },
): Image {
  const pixels = new Uint8Array(frame.width * frame.height * 3).fill(128);
  const left = Math.floor((frame.width - width) / 2);
  const top = Math.floor((frame.height - height) / 2);
  for (let y = 0; y < height; y++) {
    const row = data.subarray(y * width * 3, (y + 1) * width * 3);
    pixels.set(row, ((top + y) * frame.width + left) * 3);
  }
  return { ...frame, data: pixels };
}

/** The square in the middle of an image. */
export function middle({ width, height, data }: Image, side: number): Image {
  const left = Math.floor((width - side) / 2);
  const top = Math.floor((height - side) / 2);
  const pixels = new Uint8Array(side * side * 3);
  for (let y = 0; y < side; y++) {
    const from = ((top + y) * width + left) * 3;
    pixels.set(data.subarray(from, from + side * 3), y * side * 3);
  }
  return { width: side, height: side, data: pixels };
}

/** Mean absolute difference of two images of one size, levels of 255. */
export function distance(a: Image, b: Image): number {
  if (a.data.length !== b.data.length) throw new RangeError('pictures of different size');
  return a.data.reduce((sum, value, at) => sum + Math.abs(value - b.data[at]!), 0) / a.data.length;
}
