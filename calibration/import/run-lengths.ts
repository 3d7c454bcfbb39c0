/** Decodes masks from run lengths in the three formats of annotation tools. */
import type { Bitmap } from './reading.ts';

/** Number of pixels of the largest accepted image. */
const maxPixels = 25_000_000;

/** COCO: runs of 0 and 1 in turn, down the columns; as numbers, or packed into text. */
export function cocoBitmap(counts: readonly number[] | string, height: number, width: number): Bitmap {
  const runs = typeof counts === 'string' ? unpackCoco(counts) : counts;
  const data = filled(width, height);
  let at = 0;
  for (const [index, run] of runs.entries()) {
    if (index % 2 === 1) {
      for (let i = at; i < Math.min(at + run, data.length); i++)
        data[(i % height) * width + Math.floor(i / height)] = 255;
    }
    at += run;
  }
  return { width, height, data };
}

export function cocoArea(counts: readonly number[] | string): number {
  const runs = typeof counts === 'string' ? unpackCoco(counts) : counts;
  return runs.reduce((sum, run, index) => (index % 2 === 1 ? sum + run : sum), 0);
}

/**
 * Five bits per character, the sixth bit means that more follow; from the third run on, differences to the run two before.
 */
function unpackCoco(text: string): number[] {
  const runs: number[] = [];
  for (let at = 0; at < text.length; ) {
    let value = 0;
    let shift = 0;
    let bits: number;
    do {
      bits = text.charCodeAt(at++) - 48;
      value |= (bits & 0x1f) << shift;
      shift += 5;
    } while (bits & 0x20 && at < text.length);
    if (bits & 0x10) value |= -1 << shift;
    if (runs.length > 2) value += runs.at(-2)!;
    runs.push(value);
  }
  return runs;
}

/** CVAT: runs of 0 and 1 in turn, along the rows of a rectangle inside the image. */
export function cvatBitmap(
  runs: readonly number[],
  box: { readonly left: number; readonly top: number; readonly width: number },
  image: { readonly width: number; readonly height: number },
): Bitmap {
  const { width, height } = image;
  const data = filled(width, height);
  let at = 0;
  for (const [index, run] of runs.entries()) {
    if (index % 2 === 1) {
      for (let i = at; i < at + run; i++) {
        const x = box.left + (i % box.width);
        const y = box.top + Math.floor(i / box.width);
        if (x < width && y < height) data[y * width + x] = 255;
      }
    }
    at += run;
  }
  return { width, height, data };
}

/** Label Studio's brush: a bit stream of runs over the RGBA bytes of the image; the opacity is the mask. */
export function brushBitmap(bytes: readonly number[], width: number, height: number): Bitmap {
  const data = filled(width, height);
  let position = 0;
  const take = (count: number): number => {
    let value = 0;
    for (let i = 0; i < count; i++, position++)
      value = value * 2 + (((bytes[position >> 3] ?? 0) >> (7 - (position & 7))) & 1);
    return value;
  };
  const total = take(32);
  const wordSize = take(5) + 1;
  const sizes = [take(4) + 1, take(4) + 1, take(4) + 1, take(4) + 1];
  const put = (index: number, value: number) => {
    if (index % 4 === 3 && index >> 2 < data.length) data[index >> 2] = value > 0 ? 255 : 0;
  };
  for (let at = 0; at < total && position < bytes.length * 8; ) {
    const isRun = take(1) === 1;
    const end = at + 1 + take(sizes[take(2)]!);
    if (isRun) {
      const value = take(wordSize);
      for (; at < Math.min(end, total); at++) put(at, value);
    } else {
      for (; at < Math.min(end, total); at++) put(at, take(wordSize));
    }
  }
  return { width, height, data };
}

function filled(width: number, height: number): Uint8Array {
  if (!(width > 0 && height > 0 && width * height <= maxPixels))
    throw new Error(`a mask of ${width} × ${height}`);
  return new Uint8Array(width * height);
}
