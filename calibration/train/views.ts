/** Augmentation that costs no realism: the same part seen mirrored or turned. */
import type { Image } from '../../models/image.ts';

/** Which views a head is trained on, by name; view 0 is the picture as it is. */
export const viewSets = {
  none: [0],
  /** Mirrored, upside down, and both (half a turn). */
  flips: [0, 1, 2, 3],
  /** Flips and quarter turns: the eight symmetries of the square. */
  turns: [0, 1, 2, 3, 4, 5, 6, 7],
} as const;
export type ViewSet = keyof typeof viewSets;

/** The picture as view 0 to 7: bit 0 mirrors, bit 1 turns it upside down, bit 2 swaps rows and columns. */
export function viewOf(image: Image, view: number): Image {
  if (view === 0) return image;
  const { width, height, data } = image;
  const swapped = (view & 4) !== 0;
  const wide = swapped ? height : width;
  const high = swapped ? width : height;
  const out = new Uint8Array(data.length);
  for (let y = 0; y < high; y++) {
    for (let x = 0; x < wide; x++) {
      const column = swapped ? y : x;
      const row = swapped ? x : y;
      const fromX = view & 1 ? width - 1 - column : column;
      const fromY = view & 2 ? height - 1 - row : row;
      const from = (fromY * width + fromX) * 3;
      const to = (y * wide + x) * 3;
      out[to] = data[from]!;
      out[to + 1] = data[from + 1]!;
      out[to + 2] = data[from + 2]!;
    }
  }
  return { width: wide, height: high, data: out };
}
