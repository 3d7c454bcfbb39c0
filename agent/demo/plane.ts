/** Plane geometry for drawing. */

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Distance from the origin; many times faster than Math.hypot, which guards against overflow. */
export function length(x: number, y: number): number {
  return Math.sqrt(x * x + y * y);
}

/** Distance of a point from a path of line segments. */
export function distanceTo(path: readonly Point[]): (x: number, y: number) => number {
  return (x, y) => {
    let least = Number.POSITIVE_INFINITY;
    for (let index = 1; index < path.length; index++) {
      least = Math.min(least, squareToSegment(x, y, path[index - 1]!, path[index]!));
    }
    return Math.sqrt(least);
  };
}

function squareToSegment(x: number, y: number, from: Point, to: Point): number {
  const dx = to.x - from.x;
  const dy = to.y - from.y;
  const along = ((x - from.x) * dx + (y - from.y) * dy) / (dx * dx + dy * dy || 1);
  const clipped = Math.min(1, Math.max(0, along));
  const awayX = x - from.x - clipped * dx;
  const awayY = y - from.y - clipped * dy;
  return awayX * awayX + awayY * awayY;
}

/** 0 below `from`, 1 above `to`, a cubic between. */
export function smoothstep(from: number, to: number, value: number): number {
  return smooth(Math.min(1, Math.max(0, (value - from) / (to - from))));
}

/** 1 at 0, falling to 0 at -1 and 1. */
export function bump(t: number): number {
  return 1 - smoothstep(0, 1, Math.abs(t));
}

export function mix(from: number, to: number, share: number): number {
  return from + (to - from) * share;
}

/** The cubic from 0 to 1 that is level at both ends. */
export function smooth(t: number): number {
  return t * t * (3 - 2 * t);
}
