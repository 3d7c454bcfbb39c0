/** Points of a camera's frame and of the region that is cut from it; both in fractions, origin at the top left. */
import type { Region } from '../image.ts';

interface Point {
  readonly x: number;
  readonly y: number;
}

/**
 * A point of the frame as a point of the region: what the head sees, and what the dataset keeps.
 * @returns undefined where it lies outside
 */
export function inRegion({ x, y }: Point, region: Region): Point | undefined {
  const [u, v] = [(x - region.x) / region.width, (y - region.y) / region.height];
  return u >= 0 && u <= 1 && v >= 0 && v <= 1 ? { x: u, y: v } : undefined;
}

/** A point of the region as a point of the frame. */
export const inFrame = ({ x, y }: Point, region: Region): Point => ({
  x: region.x + x * region.width,
  y: region.y + y * region.height,
});
