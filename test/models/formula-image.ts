import type { Image } from '../../models/image.ts';

/** The image that fixtures/record-resize.py resized with Pillow. */
export function formulaImage(width: number, height: number): Image {
  const data = new Uint8Array(width * height * 3);
  let at = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < 3; channel++) {
        data[at++] = (x * 7 + y * 13 + channel * 29 + ((x * y) % 31) * 5 + ((x * x + 3 * y * y) >> 3)) & 255;
      }
    }
  }
  return { width, height, data };
}
