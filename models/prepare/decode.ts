/** A picture file becomes pixels; what is not a picture, or too large a one, is refused. */
import sharp from 'sharp';
import { QcError } from '../../config/errors.ts';
import type { Image } from '../image.ts';
import { decodeBmp, isBmp } from './bmp.ts';
import { decodeDeep } from './sixteen-bit.ts';

/** Pixels of the largest camera that inspects parts one by one; 75 MB decoded. */
export const maxPixels = 25_000_000;

/** What comes from cameras and over HTTP; an import reads more. */
const usualFormats: readonly string[] = ['png', 'jpeg', 'webp'];

export interface DecodeOptions {
  /** What is decoded beside BMP, by the name that sharp gives it. */
  readonly formats?: readonly string[];
  /** Bits that the camera really gives in images of 16 bits. */
  readonly bits?: number | undefined;
}

/**
 * Decodes PNG, JPEG, WebP or BMP, whatever its content type says: turned upright by EXIF, alpha dropped, sRGB.
 * @throws QcError image-unreadable, image-too-large
 */
export async function decodePicture(
  bytes: Buffer,
  { formats = usualFormats, bits }: DecodeOptions = {},
): Promise<Image> {
  if (isBmp(bytes)) return decodeBmp(bytes, maxPixels);
  const picture = sharp(bytes, { limitInputPixels: maxPixels, failOn: 'error' });
  try {
    const { format, depth, width = 0, height = 0 } = await picture.metadata();
    if (!formats.includes(format)) throw new Error(`${format} is not read here`);
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
    `the image has ${size} pixels, ${maxPixels / 1e6} million are the most`,
  );
}
