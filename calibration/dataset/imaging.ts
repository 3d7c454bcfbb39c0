/**
 * What light and focus do to an image, measured without knowing the part: brightness and contrast of each colour channel, and
 * sharpness. A change of light or focus is applied to images from before, to train on them as they would look now.
 */
import sharp from 'sharp';
import type { Image } from '../../models/image.ts';

type Rgb = readonly [number, number, number];

/** Measured on one image. */
export interface Imaging {
  /** Mean of each channel, 0 to 255. */
  readonly mean: Rgb;
  /** Mean square of each channel. */
  readonly square: Rgb;
  /** Mean squared difference of neighbouring pixels, averaged over the channels: lower if the image is out of focus. */
  readonly detail: number;
}

/** Pixel → gain · pixel + offset in each channel, then a blur. */
export interface ImagingChange {
  readonly gain: Rgb;
  /** In steps of 0 to 255. */
  readonly offset: Rgb;
  /** Standard deviation of the Gaussian, as a share of the image's shorter side; 0: none. */
  readonly blur: number;
}

export function imagingOf({ width, height, data }: Image): Imaging {
  const sum = [0, 0, 0];
  const square = [0, 0, 0];
  let detail = 0;
  const row = width * 3;
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < row; x++, at++) {
      const value = data[at]!;
      sum[x % 3]! += value;
      square[x % 3]! += value * value;
      if (x + 3 < row) detail += (data[at + 3]! - value) ** 2;
      if (y + 1 < height) detail += (data[at + row]! - value) ** 2;
    }
  }
  const pixels = width * height;
  return {
    mean: [sum[0]! / pixels, sum[1]! / pixels, sum[2]! / pixels],
    square: [square[0]! / pixels, square[1]! / pixels, square[2]! / pixels],
    detail: detail / pixels / 3,
  };
}

/** The image as it would look after the change. */
export async function changeImage(image: Image, { gain, offset, blur }: ImagingChange): Promise<Image> {
  const { width, height } = image;
  const tables = gain.map((factor, channel) =>
    Uint8Array.from({ length: 256 }, (_, value) =>
      Math.max(0, Math.min(255, Math.round(factor * value + offset[channel]!))),
    ),
  );
  const data = image.data.map((value, at) => tables[at % 3]![value]!);
  const sigma = blur * Math.min(width, height);
  // sharp accepts no smaller sigma, and a smaller one changes nothing.
  const lit = { width, height, data };
  return sigma < 0.3 ? lit : await blurImage(lit, sigma);
}

/** Gaussian blur. @param sigma standard deviation, pixels; at least 0.3 */
export async function blurImage({ width, height, data }: Image, sigma: number): Promise<Image> {
  const out = await sharp(data, { raw: { width, height, channels: 3 } })
    .blur(sigma)
    .raw()
    .toBuffer();
  return { width, height, data: new Uint8Array(out.buffer, out.byteOffset, out.length) };
}
