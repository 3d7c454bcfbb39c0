import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import type { Image } from '../../../models/image.ts';
import { decodePicture } from '../../../models/prepare/decode.ts';
import {
  type Delivery,
  deliveredSize,
  previewSize,
  type Rectangle,
  regionPixels,
  type Size,
} from '../geometry.ts';

/** @throws QcError image-unreadable, image-too-large; Error if the file cannot be read */
export async function readPicture(path: string): Promise<Image> {
  return decodePicture(await readFile(path));
}

/** Cuts the region of the image and scales it down as a decoder does. @throws QcError camera-region */
export async function cutPicture(picture: Image, { region, shorterSide }: Delivery): Promise<Image> {
  const area = regionPixels(region, picture, false);
  return scaled(picture, area, deliveredSize(area, shorterSide));
}

/** The whole image, at most 480 wide. */
export async function previewOf(picture: Image): Promise<Image> {
  return scaled(picture, { x: 0, y: 0, ...sizeOf(picture) }, previewSize(picture));
}

async function scaled(picture: Image, area: Rectangle, size: Size): Promise<Image> {
  const whole = area.width === picture.width && area.height === picture.height;
  if (whole && size.width === area.width && size.height === area.height) return picture;
  const data = await sharp(picture.data, { raw: { ...sizeOf(picture), channels: 3 } })
    .extract({ left: area.x, top: area.y, width: area.width, height: area.height })
    .resize(size.width, size.height, { fit: 'fill', kernel: 'linear' })
    .raw()
    .toBuffer();
  return { ...size, data };
}

const sizeOf = ({ width, height }: Size): Size => ({ width, height });
