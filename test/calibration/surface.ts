/** Generated parts that a tiny base can distinguish. */
import { seededRandom } from '../../calibration/train/random.ts';
import type { Image } from '../../models/image.ts';

export type Label = 'good' | 'stain' | 'bright';

/** Surfaces with different grain; a stain is dark and red, a bright one is brighter. */
export function surface(label: Label, seed: number, size = 40): Image {
  const { next, integer } = seededRandom(seed);
  const data = new Uint8Array(size * size * 3);
  const shade = 80 + integer(40) + (label === 'bright' ? 90 : 0);
  for (let i = 0; i < data.length; i++) data[i] = shade + Math.floor(next() * 40);
  if (label === 'stain') {
    const [left, top] = [integer(size / 2), integer(size / 2)];
    for (let y = top; y < top + size / 2; y++) {
      for (let x = left; x < left + size / 2; x++) data.set([120, 20, 20], (y * size + x) * 3);
    }
  }
  return { width: size, height: size, data };
}
