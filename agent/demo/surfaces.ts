/** Materials of parts: colour, relief and gloss at each point of their surface. */

import type { Random } from '../../calibration/train/random.ts';
import { rough, valueNoise } from './noise.ts';
import { length } from './plane.ts';

export const surfaceKinds = ['brushed', 'cast', 'painted', 'turned'] as const;
export type SurfaceKind = (typeof surfaceKinds)[number];

export interface Surface {
  /** Red, green and blue of the bare material, 0 to 1. */
  readonly colour: readonly [number, number, number];
  /** Brightness difference of a point, about -0.1 to 0.1. */
  tone(x: number, y: number): number;
  /** Height over the flat surface, part radii. */
  relief(x: number, y: number): number;
  /** Strength of highlights, 0 to 1. */
  readonly gloss: number;
  /** Turned metal shines along two rays whose direction depends on the light; 0 to 1. */
  readonly rays: number;
}

/** The surface of one part; colour and texture vary randomly. */
export function surfaceOf(kind: SurfaceKind, random: Random): Surface {
  return surfaces[kind](random);
}

const flat = () => 0;

const surfaces: Readonly<Record<SurfaceKind, (random: Random) => Surface>> = {
  brushed(random) {
    const noise = valueNoise(random.integer(2 ** 31));
    const grey = random.between(0.56, 0.64);
    return {
      colour: [grey, grey, grey * 1.02],
      tone: (x, y) => 0.05 * noise(x * 2.5, y * 46) + 0.03 * noise(x * 5 + 20, y * 90),
      relief: flat,
      gloss: 0.25,
      rays: 0,
    };
  },

  cast(random) {
    const noise = rough(valueNoise(random.integer(2 ** 31)));
    const grey = random.between(0.42, 0.5);
    return {
      colour: [grey, grey, grey * 0.99],
      tone: (x, y) => 0.05 * noise(x * 16, y * 16),
      relief: (x, y) => 0.004 * noise(x * 13 + 3, y * 13),
      gloss: 0.06,
      rays: 0,
    };
  },

  painted(random) {
    const noise = valueNoise(random.integer(2 ** 31));
    const colour = random.pick<readonly [number, number, number]>([
      [0.2, 0.38, 0.62],
      [0.62, 0.64, 0.63],
    ]);
    return {
      colour,
      tone: (x, y) => 0.012 * noise(x * 4, y * 4),
      relief: (x, y) => 0.0012 * noise(x * 9, y * 9),
      gloss: 0.45,
      rays: 0,
    };
  },

  turned(random) {
    const noise = valueNoise(random.integer(2 ** 31));
    const grey = random.between(0.52, 0.6);
    return {
      colour: [grey * 1.02, grey, grey * 0.96],
      tone(x, y) {
        const r = length(x, y);
        return 0.03 * Math.sin(r * 95) + 0.04 * noise(r * 40, 0.5);
      },
      relief: flat,
      gloss: 0.2,
      rays: 0.16,
    };
  },
};
