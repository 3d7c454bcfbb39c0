/** Smooth noise on the plane, drawn from a seed. */

import { seededRandom } from '../../calibration/train/random.ts';
import { mix, smooth } from './plane.ts';

/** Value at a point, about -1 to 1; its features are about 1 wide. */
export type Noise = (x: number, y: number) => number;

const side = 64;

/** Value noise on a lattice that repeats every 64 units, blended by a cubic. */
export function valueNoise(seed: number): Noise {
  const random = seededRandom(seed);
  const lattice = Float32Array.from({ length: side * side }, () => random.between(-1, 1));
  return (x, y) => {
    const left = Math.floor(x);
    const top = Math.floor(y);
    const u = smooth(x - left);
    const v = smooth(y - top);
    const row = (top & (side - 1)) * side;
    const below = ((top + 1) & (side - 1)) * side;
    const column = left & (side - 1);
    const right = (left + 1) & (side - 1);
    const upper = mix(lattice[row + column]!, lattice[row + right]!, u);
    return mix(upper, mix(lattice[below + column]!, lattice[below + right]!, u), v);
  };
}

/** Three octaves of a noise, about -1 to 1: clouds, cast metal, rust. */
export function rough(noise: Noise): Noise {
  return (x, y) =>
    (noise(x, y) + 0.5 * noise(2.1 * x + 9, 2.1 * y) + 0.25 * noise(4.3 * x, 4.3 * y + 5)) / 1.3;
}
