/** Positions in the image, defined for 640×480 and scaled to the image size. */
import type { Region } from '../../models/image.ts';

export interface Layout {
  /** Farthest point of a part from its centre, pixels. */
  readonly partRadius: number;
  /** Distance between the centres of two parts, pixels. */
  readonly spacing: number;
  /** Point that every part passes, pixels. */
  readonly centre: { readonly x: number; readonly y: number };
  /** Maximum offset of a part from the middle of the belt, pixels. */
  readonly sidestep: number;
  /** The inspected square, pixels. */
  readonly regionSide: number;
}

export function layoutOf(width: number, height: number): Layout {
  const scale = Math.min(width / 640, height / 480);
  return {
    partRadius: 116 * scale,
    // More than the sizes of region and part together, so that the region is empty between two parts.
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
