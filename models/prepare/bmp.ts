/** Windows bitmaps (BITMAPINFOHEADER and later, uncompressed), the only format of many industrial cameras. */
import { QcError } from '../../config/errors.ts';
import type { Image } from '../image.ts';

const fileHeaderBytes = 14;

export function isBmp(bytes: Buffer): boolean {
  return bytes.length > 26 && bytes[0] === 0x42 && bytes[1] === 0x4d;
}

/** Reads bitmaps of 1, 4 and 8 bits with a palette, of 24 and of 32 bits. @throws QcError image-unreadable */
export function decodeBmp(bytes: Buffer, maxPixels: number): Image {
  const headerBytes = bytes.readUInt32LE(14);
  if (headerBytes < 40 || bytes.length < fileHeaderBytes + headerBytes)
    throw unreadable('its header is cut off');
  const width = bytes.readInt32LE(18);
  const signedHeight = bytes.readInt32LE(22);
  const height = Math.abs(signedHeight);
  const bits = bytes.readUInt16LE(28);
  const compression = bytes.readUInt32LE(30);
  if (width <= 0 || height === 0 || width * height > maxPixels)
    throw unreadable(`its size is ${width} × ${height}`);
  // 3 (BI_BITFIELDS) is common for 32-bit bitmaps; assumes the usual masks.
  if (![1, 4, 8, 24, 32].includes(bits) || !(compression === 0 || (compression === 3 && bits === 32))) {
    throw unreadable(`${bits} bits with compression ${compression} are not supported`);
  }
  const pixelsAt = bytes.readUInt32LE(10);
  const stride = Math.ceil((width * bits) / 32) * 4;
  if (bytes.length < pixelsAt + stride * height) throw unreadable('its pixels are cut off');

  const paletteAt = fileHeaderBytes + headerBytes;
  const bytesPerPixel = bits / 8;
  const data = new Uint8Array(width * height * 3);
  for (let y = 0, to = 0; y < height; y++) {
    // Rows are stored bottom-up unless the height is negative.
    const row = pixelsAt + (signedHeight > 0 ? height - 1 - y : y) * stride;
    for (let x = 0; x < width; x++) {
      const from = row + Math.floor(x * bytesPerPixel);
      // Several pixels share a byte, the first one in the highest bits.
      const index = bits <= 8 ? (bytes[from]! >> (8 - bits - ((x * bits) % 8))) & (2 ** bits - 1) : 0;
      const bgr = bits <= 8 ? paletteAt + index * 4 : from;
      data[to++] = bytes[bgr + 2]!;
      data[to++] = bytes[bgr + 1]!;
      data[to++] = bytes[bgr]!;
    }
  }
  return { width, height, data };
}

const unreadable = (why: string) => new QcError('image-unreadable', `the bitmap cannot be read: ${why}`);
