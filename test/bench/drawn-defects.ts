/** Defects drawn on images of good parts, for sets that have too few kinds of defects. */
import { createHash } from 'node:crypto';
import { type Random, seededRandom } from '../../calibration/train/random.ts';
import type { Image } from '../../models/image.ts';

export const drawnKinds = ['scratch', 'stain', 'patch'] as const;
/** `scratch`: a thin line; `stain`: a soft dark spot; `patch`: a piece of the same image, moved. */
export type Drawn = (typeof drawnKinds)[number];

/** A copy of the image with the defect. @param seed the same text gives the same place and size */
export function drawDefect(image: Image, kind: Drawn, seed: string): Image {
  const random = seededRandom(createHash('sha256').update(`${kind} ${seed}`).digest().readUInt32LE());
  const data = Uint8Array.from(image.data);
  const draw = { scratch, stain, patch }[kind];
  draw({ ...image, data }, image, random);
  return { ...image, data };
}

function scratch(to: Image, _: Image, random: Random): void {
  const side = Math.min(to.width, to.height);
  const [x, y] = inside(to, random);
  const angle = 2 * Math.PI * random.next();
  const length = side * (0.08 + 0.1 * random.next());
  const width = Math.max(1, side * 0.006);
  const light = random.next() < 0.5 ? 60 : -60;
  change(to, x, y, length / 2 + width, (dx, dy) => {
    const along = dx * Math.cos(angle) + dy * Math.sin(angle);
    const across = Math.abs(dy * Math.cos(angle) - dx * Math.sin(angle));
    return Math.abs(along) <= length / 2 && across <= width ? light : 0;
  });
}

function stain(to: Image, _: Image, random: Random): void {
  const side = Math.min(to.width, to.height);
  const [x, y] = inside(to, random);
  const radius = side * (0.025 + 0.03 * random.next());
  change(to, x, y, 2 * radius, (dx, dy) => -50 * Math.exp(-(dx * dx + dy * dy) / (radius * radius)));
}

/** Li et al., "CutPaste", CVPR 2021. */
function patch(to: Image, from: Image, random: Random): void {
  const side = Math.min(to.width, to.height);
  const size = Math.round(side * (0.06 + 0.06 * random.next()));
  const corner = () => [random.integer(to.width - size), random.integer(to.height - size)] as const;
  const [source, target] = [corner(), corner()];
  for (let y = 0; y < size; y++) {
    const at = 3 * ((source[1] + y) * from.width + source[0]);
    to.data.set(from.data.subarray(at, at + 3 * size), 3 * ((target[1] + y) * to.width + target[0]));
  }
}

/** A point in the middle 70 % of the image. */
const inside = ({ width, height }: Image, random: Random): [number, number] => [
  width * (0.15 + 0.7 * random.next()),
  height * (0.15 + 0.7 * random.next()),
];

/** Adds `by` of the offset from the centre to all channels within the radius. */
function change(
  { width, height, data }: Image,
  x: number,
  y: number,
  radius: number,
  by: (dx: number, dy: number) => number,
): void {
  for (let v = Math.max(0, Math.ceil(y - radius)); v <= Math.min(height - 1, y + radius); v++) {
    for (let u = Math.max(0, Math.ceil(x - radius)); u <= Math.min(width - 1, x + radius); u++) {
      const light = by(u - x, v - y);
      for (let c = 0; c < 3; c++) {
        const at = 3 * (v * width + u) + c;
        data[at] = Math.min(255, Math.max(0, Math.round(data[at]! + light)));
      }
    }
  }
}
