import { QcError } from '../../config/errors.ts';
import type { CameraConfig } from '../../config/schema.ts';
import type { Region } from '../../models/image.ts';

/** Minimum number of pixels along a side of a region. */
const MIN_PIXELS = 8;
/** Widest preview, pixels. */
const PREVIEW_WIDTH = 480;

/** Which part of an image is delivered, and how large. */
export type Delivery = Pick<CameraConfig, 'region' | 'shorterSide'>;

export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

const even = (n: number) => Math.round(n / 2) * 2;

/**
 * The region in pixels of an image. `aligned` moves its edges to even pixels, which 4:2:0 chroma requires; the right and
 * lower edge may be at an odd border of the image.
 * @throws QcError camera-region when fewer than 8 pixels remain along a side.
 */
export function regionPixels(region: Region, picture: Size, aligned: boolean): Rectangle {
  const place = (fraction: number, length: number) =>
    Math.min(length, aligned && fraction < 1 ? even(fraction * length) : Math.round(fraction * length));
  const x = place(region.x, picture.width);
  const y = place(region.y, picture.height);
  const width = place(Math.min(1, region.x + region.width), picture.width) - x;
  const height = place(Math.min(1, region.y + region.height), picture.height) - y;
  if (width < MIN_PIXELS || height < MIN_PIXELS) {
    throw new QcError(
      'camera-region',
      `the region is ${width} × ${height} pixels of an image of ${picture.width} × ${picture.height}`,
    );
  }
  return { x, y, width, height };
}

/** The size in which a region is delivered: its own, or scaled down to this shorter side (`shorterSide` of the camera). */
export function deliveredSize({ width, height }: Size, shorterSide: number): Size {
  const scale = shorterSide / Math.min(width, height);
  return scale >= 1
    ? { width, height }
    : { width: Math.round(width * scale), height: Math.round(height * scale) };
}

/** The size of the whole image's preview, at most 480 wide. */
export function previewSize({ width, height }: Size): Size {
  const scale = Math.min(1, PREVIEW_WIDTH / width);
  return { width: Math.round(width * scale), height: Math.max(1, Math.round(height * scale)) };
}
