import { QcError } from '../../config/errors.ts';
import type { Region } from '../../models/image.ts';

/** Minimum number of pixels along a side that are worth judging. */
const MIN_PIXELS = 8;
/**
 * A region is scaled down only until its shorter side has this many pixels: nearly half as many again as the model
 * sees, and enough for a person to judge by. Twice as many cost the agent an eighth of its throughput.
 */
export const SHORTER_SIDE = 320;
/** Widest preview, pixels. */
const PREVIEW_WIDTH = 480;

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
 * The region in pixels of an image. `aligned` puts its edges on even pixels, as images with shared chroma
 * (4:2:0) need it; the right and lower edge may lie on an odd border of the image.
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
      `the region is ${width} × ${height} pixels of a ${picture.width} × ${picture.height} picture`,
    );
  }
  return { x, y, width, height };
}

/** The size a region is handed over in: its own, or smaller with the shorter side at 320. */
export function handedSize({ width, height }: Size): Size {
  const scale = SHORTER_SIDE / Math.min(width, height);
  return scale >= 1
    ? { width, height }
    : { width: Math.round(width * scale), height: Math.round(height * scale) };
}

/** The size of the whole image's preview, at most 480 wide. */
export function previewSize({ width, height }: Size): Size {
  const scale = Math.min(1, PREVIEW_WIDTH / width);
  return { width: Math.round(width * scale), height: Math.max(1, Math.round(height * scale)) };
}
