/** One simulated part: planned from its seed, then painted once and moved over the belt as a sprite. */

import { type Random, seededRandom } from '../../calibration/train/random.ts';
import { type DefectKind, defectKinds, defectOn } from './defects.ts';
import { smoothstep } from './plane.ts';
import { type ShapeKind, shapeKinds, shapeOf } from './shapes.ts';
import { type SurfaceKind, surfaceKinds, surfaceOf } from './surfaces.ts';

export const labels = ['good', ...defectKinds] as const;
export type Label = 'good' | DefectKind;

export interface PartPlan {
  readonly label: Label;
  readonly shape: ShapeKind;
  readonly surface: SurfaceKind;
  /** Rotation on the belt, radians. */
  readonly rotation: number;
  /** Seed of all other properties. */
  readonly seed: number;
}

/** A painted part in the middle of a square. */
export interface Sprite {
  /** Side of the square, pixels. */
  readonly side: number;
  /** RGB, premultiplied by the coverage of the part. */
  readonly colour: Uint8Array;
  /** Visibility of the belt, 0 to 255, including the shadow. */
  readonly belt: Uint8Array;
}

export function planPart(label: Label, random: Random): PartPlan {
  return {
    label,
    shape: random.pick(shapeKinds),
    surface: random.pick(surfaceKinds),
    rotation: random.between(-0.45, 0.45),
    seed: random.integer(2 ** 31),
  };
}

/**
 * Paints a part.
 * @param radius pixels from its centre to its farthest point
 * @param lightAngle direction the light comes from, radians, 0 = from the right, clockwise
 */
export function paintPart(plan: PartPlan, radius: number, lightAngle: number): Sprite {
  const random = seededRandom(plan.seed);
  const shape = shapeOf(plan.shape, random);
  const surface = surfaceOf(plan.surface, random);
  const defect = plan.label === 'good' ? {} : defectOn(plan.label, shape, random);
  const outline = defect.outline ?? shape;

  const side = 2 * Math.ceil(radius * 1.12) + 2;
  const place = placer(side, radius, plan.rotation);
  const distance = sample(side, place, outline);
  const height = sample(side, place, (x, y, at) =>
    distance[at]! > 0.05 ? 0 : surface.relief(x, y) + (defect.relief?.(x, y) ?? 0) + bevel(distance[at]!),
  );

  const light = { x: Math.cos(lightAngle), y: Math.sin(lightAngle) };
  const colour = new Uint8Array(side * side * 3);
  const belt = new Uint8Array(side * side).fill(255);
  const shadowShift = Math.round(radius * 0.06);
  for (let row = 1; row < side - 1; row++) {
    for (let column = 1; column < side - 1; column++) {
      const at = row * side + column;
      const covered = Math.min(1, Math.max(0, 0.5 - distance[at]! * radius));
      const shadowAt = at - Math.round(-light.x * shadowShift) - Math.round(-light.y * shadowShift) * side;
      const shadow = 0.5 * (1 - smoothstep(-0.02, 0.09, distance[shadowAt] ?? 1));
      belt[at] = Math.round(255 * (1 - covered) * (1 - shadow));
      if (covered === 0) continue;

      const { x, y } = place(column, row);
      // Slope of the surface in pixels of the image, for the same light as everywhere else.
      const slopeX = ((height[at + 1]! - height[at - 1]!) * radius) / 2;
      const slopeY = ((height[at + side]! - height[at - side]!) * radius) / 2;
      const facing = -(slopeX * light.x + slopeY * light.y);
      const upright = 1 / Math.sqrt(slopeX * slopeX + slopeY * slopeY + 1);
      const tilt = Math.max(-0.85, Math.min(0.85, facing * upright));
      const ray =
        surface.rays && surface.rays * Math.cos(2 * (Math.atan2(y, x) + plan.rotation - lightAngle));
      const shade = (0.72 + 0.28 * upright) * (1 + 0.6 * tilt + ray) + surface.tone(x, y);
      const highlight = surface.gloss * Math.max(0, tilt - 0.35);
      const cover = Math.min(1, Math.max(0, defect.cover?.(x, y) ?? 0));
      for (let channel = 0; channel < 3; channel++) {
        const bare = surface.colour[channel]! * shade + highlight;
        const shown = bare + ((defect.colour?.[channel] ?? 0) * Math.max(0.6, shade) - bare) * cover;
        colour[at * 3 + channel] = Math.round(255 * covered * Math.min(1, Math.max(0, shown)));
      }
    }
  }
  return { side, colour, belt };
}

/** Edges are bevelled: the outermost 5 % of the radius slope down. */
function bevel(distance: number): number {
  return 0.035 * smoothstep(0, 0.06, -distance);
}

/** Converts pixels of the square to coordinates of the part, in radii. */
function placer(side: number, radius: number, rotation: number) {
  const cos = Math.cos(rotation) / radius;
  const sin = Math.sin(rotation) / radius;
  const middle = (side - 1) / 2;
  return (column: number, row: number) => {
    const dx = column - middle;
    const dy = row - middle;
    return { x: dx * cos + dy * sin, y: dy * cos - dx * sin };
  };
}

function sample(
  side: number,
  place: (column: number, row: number) => { x: number; y: number },
  value: (x: number, y: number, at: number) => number,
): Float32Array {
  const samples = new Float32Array(side * side);
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const { x, y } = place(column, row);
      const at = row * side + column;
      samples[at] = value(x, y, at);
    }
  }
  return samples;
}
