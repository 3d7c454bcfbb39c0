/** Where things are in the image, for any size of it: laid out at 640×480 and scaled to fit. */
import type { Region } from '../../models/image.ts';

export interface Layout {
  /** Farthest point of a part from its centre, pixels. */
  readonly partRadius: number;
  /** Distance between the centres of two parts, pixels. */
  readonly spacing: number;
  /** Where every part passes, pixels. */
  readonly centre: { readonly x: number; readonly y: number };
  /** How far off the middle of the belt a part may lie, pixels. */
  readonly sidestep: number;
  /** The inspected square, pixels. */
  readonly regionSide: number;
}

export function layoutOf(width: number, height: number): Layout {
  const scale = Math.min(width / 640, height / 480);
  return {
    partRadius: 116 * scale,
    // More than region and part together: between two parts the region is empty.
    spacing: 720 * scale,
    centre: { x: width / 2, y: height / 2 },
    sidestep: 8 * scale,
    regionSide: 300 * scale,
  };
}

/** The region to inspect, fractions of the image. */
export function regionOf(width: number, height: number): Region {
  const { regionSide } = layoutOf(width, height);
  return {
    x: 0.5 - regionSide / width / 2,
    y: 0.5 - regionSide / height / 2,
    width: regionSide / width,
    height: regionSide / height,
  };
}
