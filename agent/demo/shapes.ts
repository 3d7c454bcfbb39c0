/**
 * Outlines of parts as signed distances: negative inside, 0 on the edge. No part extends further than 1 from its centre.
 */

import type { Random } from '../../calibration/train/random.ts';
import { length } from './plane.ts';

/** Distance of a point to the edge of the part, in part radii. */
export type Shape = (x: number, y: number) => number;

export const shapeKinds = ['washer', 'flange', 'plate', 'nut'] as const;
export type ShapeKind = (typeof shapeKinds)[number];

/** The outline of one part of a kind; proportions vary randomly. */
export function shapeOf(kind: ShapeKind, random: Random): Shape {
  return shapes[kind](random);
}

const shapes: Readonly<Record<ShapeKind, (random: Random) => Shape>> = {
  washer(random) {
    const hole = random.between(0.3, 0.36);
    return (x, y) => {
      const r = length(x, y);
      return Math.max(r - 0.96, hole - r);
    };
  },

  flange(random) {
    const hole = circle(0, 0, random.between(0.2, 0.28));
    const bolts = ring(6, 0.68, 0.095);
    return (x, y) => Math.max(length(x, y) - 0.97, -hole(x, y), -bolts(x, y));
  },

  plate(random) {
    const half = { x: 0.82, y: random.between(0.54, 0.58) };
    const outer = box(half.x, half.y, 0.1);
    const holes = [-1, 1].flatMap((sx) => [-1, 1].map((sy) => circle(sx * 0.64, sy * (half.y - 0.18), 0.09)));
    return (x, y) => holes.reduce((d, hole) => Math.max(d, -hole(x, y)), outer(x, y));
  },

  nut(random) {
    const hole = random.between(0.3, 0.36);
    return (x, y) => {
      const r = length(x, y);
      const across = Math.max(Math.abs(x), Math.abs(x) / 2 + (Math.abs(y) * Math.sqrt(3)) / 2) - 0.83;
      return Math.max(across, r - 0.95, hole - r);
    };
  },
};

function circle(cx: number, cy: number, radius: number): Shape {
  return (x, y) => length(x - cx, y - cy) - radius;
}

function ring(count: number, distance: number, radius: number): Shape {
  const step = (2 * Math.PI) / count;
  return (x, y) => {
    const angle = Math.round(Math.atan2(y, x) / step) * step;
    return length(x - distance * Math.cos(angle), y - distance * Math.sin(angle)) - radius;
  };
}

/** A box of half sizes `hx` and `hy` with rounded corners. */
function box(hx: number, hy: number, rounding: number): Shape {
  return (x, y) => {
    const dx = Math.abs(x) - hx + rounding;
    const dy = Math.abs(y) - hy + rounding;
    return length(Math.max(dx, 0), Math.max(dy, 0)) + Math.min(Math.max(dx, dy), 0) - rounding;
  };
}
