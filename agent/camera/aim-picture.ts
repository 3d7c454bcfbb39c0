import sharp from 'sharp';
import type { Image, Region } from '../../models/image.ts';
import { type AimImage, aimSize } from './aim.ts';
import { figuresOf } from './figures.ts';
import { regionPixels } from './geometry.ts';

/** Encodes a whole RGB image for aiming. @throws QcError camera-region */
export async function aimPicture(
  { width, height, data }: Image,
  region: Region,
  capturedAt: number,
): Promise<AimImage> {
  const area = regionPixels(region, { width, height }, false);
  const stride = 3 * width;
  // The green channel: most of the brightness.
  const green = data.subarray(area.y * stride + area.x * 3 + 1);
  const size = aimSize({ width, height });
  const jpeg = await sharp(data, { raw: { width, height, channels: 3 } })
    .resize(size.width, size.height, { fit: 'fill', kernel: 'linear' })
    .jpeg({ quality: 75 })
    .toBuffer();
  return {
    jpeg,
    size,
    frame: { width, height },
    region,
    figures: figuresOf({ data: green, width: area.width, height: area.height, step: 3, stride }),
    capturedAt,
  };
}
