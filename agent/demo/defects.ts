/** Defects of parts. Sizes are in part radii: each kind is clearly visible, but varies in size and position. */

import type { Random } from '../../calibration/train/random.ts';
import { rough, valueNoise } from './noise.ts';
import { bump, distanceTo, length, type Point, smoothstep } from './plane.ts';
import type { Shape } from './shapes.ts';

export const defectKinds = ['scratch', 'dent', 'stain', 'crack', 'chip'] as const;
export type DefectKind = (typeof defectKinds)[number];

/** The effect of a defect on each point of the part; omitted effects do not exist. */
export interface Defect {
  /** Removes material at the edge: the new outline. */
  readonly outline?: Shape;
  /** Height it adds, part radii. */
  readonly relief?: (x: number, y: number) => number;
  /** Colour that covers the surface, 0 to 1, and how much (0 none, 1 completely). */
  readonly colour?: readonly [number, number, number];
  readonly cover?: (x: number, y: number) => number;
}

/** A defect of a kind somewhere on a part of this shape. */
export function defectOn(kind: DefectKind, shape: Shape, random: Random): Defect {
  return defects[kind](shape, random);
}

const defects: Readonly<Record<DefectKind, (shape: Shape, random: Random) => Defect>> = {
  scratch(shape, random) {
    const extent = random.between(1.1, 1.6);
    const width = random.between(0.028, 0.04);
    const bend = random.between(-0.12, 0.12);
    const apart = random.between(0.1, 0.16);
    const first = placePath(shape, random, (start, angle) => arc(start, angle, extent, bend));
    // The scratching object had more than one edge.
    const aside = across(first);
    const beside = [-apart, apart].map((shift) =>
      distanceTo(first.map(({ x, y }) => ({ x: x + shift * aside.x, y: y + shift * aside.y }))),
    );
    const middle = distanceTo(first);
    const away: Shape = (x, y) => {
      const nearest = middle(x, y);
      // Points far from the middle groove are far from the others as well: most points end here.
      return nearest > 2 * apart ? nearest : Math.min(nearest, ...beside.map((path) => path(x, y)));
    };
    return {
      colour: [0.97, 0.97, 0.95],
      cover: (x, y) => 0.95 * (1 - smoothstep(width * 0.5, width, away(x, y))),
      // A burr next to the groove casts a dark line.
      relief: (x, y) => 0.03 * bump((away(x, y) - width * 1.2) / width),
    };
  },

  dent(shape, random) {
    const centre = onMaterial(shape, random, 0.2);
    const radius = random.between(0.34, 0.44);
    const stretch = random.between(0.85, 1.18);
    return {
      // A flat floor and a steep wall: one side is bright, the other dark.
      relief(x, y) {
        const r = length((x - centre.x) * stretch, (y - centre.y) / stretch) / radius;
        return -0.3 * (1 - smoothstep(0.4, 1, r)) + 0.03 * bump((r - 1.1) * 4);
      },
    };
  },

  stain(shape, random) {
    const centre = onMaterial(shape, random, 0.1);
    const radius = random.between(0.42, 0.58);
    const noise = rough(valueNoise(random.integer(2 ** 31)));
    return {
      colour: [random.between(0.4, 0.48), random.between(0.17, 0.22), 0.06],
      cover(x, y) {
        const r = length(x - centre.x, y - centre.y) / radius + 0.45 * noise(x * 5, y * 5);
        return (0.86 + 0.14 * noise(x * 17, y * 17)) * (1 - smoothstep(0.7, 1.05, r));
      },
    };
  },

  crack(shape, random) {
    const extent = random.between(1.2, 1.7);
    const width = random.between(0.045, 0.06);
    const trunk = placePath(shape, random, (start, angle) => zigzag(start, angle, extent, random));
    const fork = trunk[4] ?? trunk[0]!;
    const branch = zigzag(fork, random.between(0, 2 * Math.PI), extent * 0.4, random);
    const awayFromTrunk = distanceTo(trunk);
    const awayFromBranch = distanceTo(branch);
    return {
      colour: [0.03, 0.03, 0.03],
      cover(x, y) {
        const away = Math.min(awayFromTrunk(x, y), awayFromBranch(x, y) * 1.4);
        return 0.96 * (1 - smoothstep(width * 0.55, width, away));
      },
    };
  },

  chip(shape, random) {
    const centre = onEdge(shape, random);
    const radius = random.between(0.34, 0.46);
    const noise = valueNoise(random.integer(2 ** 31));
    const bite: Shape = (x, y) =>
      length(x - centre.x, y - centre.y) - radius * (1 + 0.25 * noise(x * 6, y * 6));
    const fracture = radius * random.between(0.45, 0.6);
    // Around the missing material the fracture slopes down, bright and grainy.
    const broken = (x: number, y: number) => 1 - smoothstep(fracture * 0.85, fracture, bite(x, y));
    return {
      outline: (x, y) => Math.max(shape(x, y), -bite(x, y)),
      relief: (x, y) => broken(x, y) * (0.035 * noise(x * 22, y * 22) - 0.1),
      colour: [0.86, 0.84, 0.8],
      cover: (x, y) => broken(x, y) * (0.75 + 0.25 * noise(x * 25, y * 25)),
    };
  },
};

/** A point of the surface at least `margin` from the edge, if there is one. */
function onMaterial(shape: Shape, random: Random, margin: number): Point {
  let best: Point = { x: 0, y: 0 };
  for (let tries = 0; tries < 60; tries++) {
    const point = { x: random.between(-0.9, 0.9), y: random.between(-0.9, 0.9) };
    if (shape(point.x, point.y) < -margin) return point;
    if (shape(point.x, point.y) < shape(best.x, best.y)) best = point;
  }
  return best;
}

/** A point of the outer edge, found from outside towards the middle. */
function onEdge(shape: Shape, random: Random): Point {
  const angle = random.between(0, 2 * Math.PI);
  let r = 1.05;
  while (r > 0.1 && shape(r * Math.cos(angle), r * Math.sin(angle)) > 0) r -= 0.01;
  return { x: r * Math.cos(angle), y: r * Math.sin(angle) };
}

/** The one of several random paths that is most on the material. */
function placePath(
  shape: Shape,
  random: Random,
  draw: (start: Point, angle: number) => Point[],
): readonly Point[] {
  let best: { path: Point[]; share: number } | undefined;
  for (let tries = 0; tries < 24 && (best?.share ?? 0) < 0.85; tries++) {
    const path = draw(onMaterial(shape, random, 0.06), random.between(0, 2 * Math.PI));
    const share = path.filter(({ x, y }) => shape(x, y) < -0.04).length / path.length;
    if (!best || share > best.share) best = { path, share };
  }
  return best?.path ?? [];
}

function arc(start: Point, angle: number, extent: number, bend: number): Point[] {
  return Array.from({ length: 9 }, (_, index) => {
    const along = (extent * index) / 8;
    const side = bend * Math.sin((Math.PI * index) / 8);
    return {
      x: start.x + along * Math.cos(angle) - side * Math.sin(angle),
      y: start.y + along * Math.sin(angle) + side * Math.cos(angle),
    };
  });
}

/** Unit vector across a path. */
function across(path: readonly Point[]): Point {
  const from = path[0] ?? { x: 0, y: 0 };
  const to = path[path.length - 1] ?? { x: 1, y: 0 };
  const extent = length(to.x - from.x, to.y - from.y) || 1;
  return { x: -(to.y - from.y) / extent, y: (to.x - from.x) / extent };
}

function zigzag(start: Point, angle: number, extent: number, random: Random): Point[] {
  const steps = 9;
  const path = [start];
  for (let step = 0; step < steps; step++) {
    const last = path[path.length - 1]!;
    const turn = angle + random.between(-0.95, 0.95);
    path.push({
      x: last.x + (extent / steps) * Math.cos(turn),
      y: last.y + (extent / steps) * Math.sin(turn),
    });
  }
  return path;
}
