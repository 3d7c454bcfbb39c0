/** Images with 16 bits per channel. */
import type { Sharp } from 'sharp';
import { QcError } from '../../config/errors.ts';
import type { Image } from '../image.ts';

/** Cameras with 10, 12 or 14 bits leave the upper bits empty. */
const maxCameraBits = 14;

/**
 * Scales to 8 bits. An image with empty upper bits would become nearly black and is refused, unless the number of bits of the
 * camera is given.
 * @param bits 9 to 16
 * @throws QcError image-unreadable
 */
export async function decodeDeep(source: Sharp, bits?: number): Promise<Image> {
  const { data, info } = await source
    .autoOrient()
    .removeAlpha()
    .toColourspace('rgb16')
    .raw({ depth: 'ushort' })
    .toBuffer({ resolveWithObject: true });
  const values = new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2);
  let largest = 0;
  for (const value of values) if (value > largest) largest = value;
  const used = Math.max(1, Math.ceil(Math.log2(largest + 1)));
  if (bits === undefined && used <= maxCameraBits) {
    const likely = used <= 10 ? 10 : used <= 12 ? 12 : 14;
    throw new QcError(
      'image-unreadable',
      `the image has 16 bits and uses ${used} of them (largest value ${largest}): it would be nearly black`,
      { remedy: `save it with 8 bits, or import it with --bits ${likely}` },
    );
  }
  if (bits !== undefined && used > bits)
    throw new QcError(
      'image-unreadable',
      `the image uses ${used} bits (largest value ${largest}), not ${bits}`,
    );
  const scale = 256 / 2 ** (bits ?? 16);
  const pixels = new Uint8Array(info.width * info.height * 3);
  for (let i = 0; i < pixels.length; i++) {
    const at = info.channels >= 3 ? i : Math.floor(i / 3) * info.channels;
    pixels[i] = values[at]! * scale;
  }
  return { width: info.width, height: info.height, data: pixels };
}
