/** Decodes image files to pixels; refuses other files and images that are too large. */
import sharp from 'sharp';
import { QcError } from '../../config/errors.ts';
import type { Image } from '../image.ts';
import { decodeBmp, isBmp } from './bmp.ts';
import { decodeDeep } from './sixteen-bit.ts';

/** Pixels of the largest camera that inspects parts one by one; 75 MB decoded. */
export const maxPixels = 25_000_000;

/** Formats accepted over HTTP and from folders; an import accepts more. */
const defaultFormats: readonly string[] = ['png', 'jpeg', 'webp'];

export interface DecodeOptions {
  /** Accepted formats in addition to BMP, by their name in sharp. */
  readonly formats?: readonly string[];
  /** Bits that the camera uses in 16-bit images. */
  readonly bits?: number | undefined;
}

/**
 * Decodes PNG, JPEG, WebP or BMP, detected by content: applies the EXIF orientation, drops alpha, converts to sRGB.
 * @throws QcError image-unreadable, image-too-large
 */
export async function decodePicture(
  bytes: Buffer,
  { formats = defaultFormats, bits }: DecodeOptions = {},
): Promise<Image> {
  if (isBmp(bytes)) return decodeBmp(bytes, maxPixels);
  const picture = sharp(bytes, { limitInputPixels: maxPixels, failOn: 'error' });
  try {
    const { format, depth, width = 0, height = 0 } = await picture.metadata();
    if (!formats.includes(format)) throw new Error(`the format ${format} is not supported`);
    if (width * height > maxPixels) throw tooLarge(width, height);
    if (depth === 'ushort') return await decodeDeep(picture, bits);
    const { data, info } = await picture
      .autoOrient()
      .toColourspace('srgb')
      .removeAlpha()
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, data };
  } catch (error) {
    if (error instanceof QcError) throw error;
    const what = error instanceof Error ? error.message.split('\n')[0] : String(error);
    if (/exceeds pixel limit/.test(what ?? '')) throw tooLarge();
    throw new QcError('image-unreadable', `the image cannot be read: ${what}`, { cause: error });
  }
}

function tooLarge(width?: number, height?: number): QcError {
  const size = width && height ? `${width} × ${height}` : 'more';
  return new QcError(
    'image-too-large',
    `the image has ${size} pixels, the maximum is ${maxPixels / 1e6} million`,
  );
}
