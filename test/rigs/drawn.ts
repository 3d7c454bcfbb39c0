import type { Image } from '../../models/image.ts';

export type Colour = readonly [red: number, green: number, blue: number];

/** An image of one colour with rectangles on it, drawn in order; sizes in pixels. */
export function drawn(
  width: number,
  height: number,
  ground: Colour,
  ...rectangles: readonly { x: number; y: number; width: number; height: number; colour: Colour }[]
): Image {
  const data = new Uint8Array(width * height * 3);
  const fill = (x0: number, y0: number, w: number, h: number, colour: Colour) => {
    for (let y = y0; y < y0 + h; y++) {
      for (let x = x0; x < x0 + w; x++) data.set(colour, (y * width + x) * 3);
    }
  };
  fill(0, 0, width, height, ground);
  for (const { x, y, width: w, height: h, colour } of rectangles) fill(x, y, w, h, colour);
  return { width, height, data };
}

/** The colour of one pixel. */
export function colourAt({ width, data }: Image, x: number, y: number): Colour {
  const at = (y * width + x) * 3;
  return [data[at]!, data[at + 1]!, data[at + 2]!];
}

/** The largest difference of two colours in any channel, levels of 255. */
export function difference(a: Colour, b: Colour): number {
  return Math.max(...a.map((value, channel) => Math.abs(value - b[channel]!)));
}
