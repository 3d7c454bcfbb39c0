import type { Image } from '../../../models/image.ts';

/** BITMAPFILEHEADER is 14 bytes, BITMAPINFOHEADER at least 40 (Microsoft, "Bitmap Storage"). */
const FILE_HEADER = 14;
const LEAST_INFO_HEADER = 40;
const BI_RGB = 0;
const BI_BITFIELDS = 3;
const MOST_PIXELS = 1 << 28;

export function isBmp(bytes: Buffer): boolean {
  return bytes.length > FILE_HEADER + LEAST_INFO_HEADER && bytes.toString('latin1', 0, 2) === 'BM';
}

/**
 * Decodes an uncompressed Windows bitmap of 8 (with palette), 24 or 32 bits a pixel to RGB, as industrial
 * cameras and older data sets write it; sharp does not read them.
 * @throws Error saying what is not supported or damaged
 */
export function decodeBmp(bytes: Buffer): Image {
  if (!isBmp(bytes)) throw new Error('not a bitmap');
  const pixelsAt = bytes.readUInt32LE(10);
  const infoSize = bytes.readUInt32LE(14);
  const width = bytes.readInt32LE(18);
  const signedHeight = bytes.readInt32LE(22);
  const height = Math.abs(signedHeight);
  const bits = bytes.readUInt16LE(28);
  const compression = bytes.readUInt32LE(30);
  if (width <= 0 || height === 0 || width * height > MOST_PIXELS) throw new Error(`impossible bitmap size`);
  const plain = compression === BI_RGB || (compression === BI_BITFIELDS && bits === 32);
  if (!plain || ![8, 24, 32].includes(bits)) {
    throw new Error(
      `bitmap of ${bits} bits with compression ${compression}: only plain 8, 24 and 32 bits are read`,
    );
  }
  const stride = Math.ceil((width * bits) / 32) * 4;
  if (pixelsAt + stride * height > bytes.length) throw new Error('the bitmap is cut off');

  const palette = FILE_HEADER + infoSize;
  const step = bits / 8;
  const data = new Uint8Array(width * height * 3);
  let to = 0;
  for (let y = 0; y < height; y++) {
    // A positive height means that the rows come from the bottom up.
    const row = pixelsAt + stride * (signedHeight > 0 ? height - 1 - y : y);
    for (let x = 0; x < width; x++) {
      const at = bits === 8 ? palette + 4 * bytes[row + x]! : row + x * step;
      data[to++] = bytes[at + 2]!;
      data[to++] = bytes[at + 1]!;
      data[to++] = bytes[at]!;
    }
  }
  return { width, height, data };
}
