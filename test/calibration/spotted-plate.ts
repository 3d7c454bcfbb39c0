/** Generated plates whose defect is one spot among others. */
import { seededRandom } from '../../calibration/train/random.ts';
import type { Image } from '../../models/image.ts';
import { plateSide } from './plate.ts';

const spotSide = 8;

/** Noise with ten red and blue spots; a stain is a green one among them. @returns x, y: middle of the stain, fractions */
export function spottedPlate(label: 'good' | 'stain', seed: number): { image: Image; x: number; y: number } {
  const random = seededRandom(seed);
  const data = Uint8Array.from({ length: plateSide * plateSide * 3 }, () => 90 + random.integer(50));
  const spot = (left: number, top: number, colour: readonly number[]) => {
    for (let y = top; y < top + spotSide; y++) {
      for (let x = left; x < left + spotSide; x++) data.set(colour, (y * plateSide + x) * 3);
    }
  };
  const anywhere = () => random.integer(plateSide - spotSide);
  for (let n = 0; n < 10; n++) {
    spot(anywhere(), anywhere(), random.next() < 0.5 ? [220, 40, 40] : [40, 40, 220]);
  }
  const [left, top] = [anywhere(), anywhere()];
  if (label === 'stain') spot(left, top, [40, 220, 40]);
  const middle = (from: number) => (from + spotSide / 2) / plateSide;
  return { image: { width: plateSide, height: plateSide, data }, x: middle(left), y: middle(top) };
}
