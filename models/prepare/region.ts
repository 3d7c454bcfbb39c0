/** Converts points between a camera's frame and its region; both in fractions, origin at the top left. */
import type { Region } from '../image.ts';

interface Point {
  readonly x: number;
  readonly y: number;
}

/**
 * Converts a point of the frame to a point of the region, which is the image that is judged and stored.
 * @returns undefined if it is outside
 */
export function inRegion({ x, y }: Point, region: Region): Point | undefined {
  const [u, v] = [(x - region.x) / region.width, (y - region.y) / region.height];
  return u >= 0 && u <= 1 && v >= 0 && v <= 1 ? { x: u, y: v } : undefined;
}

/** Converts a point of the region to a point of the frame. */
export const inFrame = ({ x, y }: Point, region: Region): Point => ({
  x: region.x + x * region.width,
  y: region.y + y * region.height,
});
