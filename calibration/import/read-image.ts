/** Reads images for import: more formats than on the line; misleading images are refused. */
import sharp, { type Metadata } from 'sharp';
import type { Image } from '../../models/image.ts';
import { decodePicture, maxPixels } from '../../models/prepare/decode.ts';
import type { Bitmap } from './reading.ts';
import { readWhole, type SourceFile } from './source.ts';

/** Maximum file size, bytes. */
const largestFile = 100_000_000;
/** Minimum brightest value of an image, of 255. */
export const nearlyBlack = 8;

export interface ReadOptions {
  /** Effective bit depth of the camera in 16-bit images: 9 to 16. */
  readonly bits?: number | undefined;
  /** A frame of a dataset: accepted even if it is dark. */
  readonly isOwn?: boolean | undefined;
}

export interface ReadImage {
  readonly image: Image;
  /** Whether it has at most two grey values: it may be a mask. */
  readonly isTwoLevel: boolean;
  /** Whether it has pixels that are not fully opaque. */
  readonly isTransparent: boolean;
}

/** Throws an Error with a message for the user. */
export async function readImage(file: SourceFile, { bits, isOwn }: ReadOptions = {}): Promise<ReadImage> {
  const bytes = await readWhole(file, largestFile);
  const open = () => sharp(bytes, { limitInputPixels: maxPixels, failOn: 'error' });
  const facts = await open()
    .metadata()
    .catch(() => undefined);
  requireReadable(bytes, facts);
  const image = await decodePicture(bytes, { formats: accepted, bits });
  const brightest = brightestOf(image);
  if (brightest < nearlyBlack && !isOwn)
    throw new Error(
      `nearly black: its largest value is ${brightest} of 255 (a mask of class numbers, or fewer bits than the file says)`,
    );
  const isTransparent = facts?.hasAlpha === true && !(await open().stats()).isOpaque;
  return { image, isTwoLevel: isTwoLevel(image), isTransparent };
}

const accepted = ['png', 'jpeg', 'webp', 'tiff', 'gif', 'heif'] as const;

function requireReadable(bytes: Buffer, facts: Metadata | undefined): void {
  const kind = unreadableKind(bytes);
  if (kind !== undefined && (facts === undefined || !accepted.some((format) => format === facts.format)))
    throw new Error(`${kind} is not read: save it as PNG or JPEG`);
  if (!facts) return;
  if ((facts.pages ?? 1) > 1) {
    const what = facts.format === 'tiff' ? 'pages' : 'frames (animated)';
    throw new Error(`holds ${facts.pages} ${what}: save the one that shows the part as a separate file`);
  }
  if (facts.format === 'png' && isAnimatedPng(bytes))
    throw new Error('holds several frames (animated): save the one that shows the part as a separate file');
  if (facts.depth !== 'uchar' && facts.depth !== 'ushort')
    throw new Error(`has values of type ${facts.depth}: save it with 8 or 16 bits a channel`);
}

/** The decoder reads only the first frame and does not report others. */
function isAnimatedPng(bytes: Buffer): boolean {
  const at = bytes.indexOf('acTL', 0, 'latin1');
  return at !== -1 && at < bytes.indexOf('IDAT', 0, 'latin1');
}

/** Formats that are recognised by their first bytes but not supported. */
function unreadableKind(bytes: Buffer): string | undefined {
  if (bytes.length < 12) return undefined;
  const brand = bytes.toString('latin1', 4, 12);
  if (/^ftyp(?:heic|heix|hevc|heim|heis|mif1|msf1)/.test(brand)) return 'HEIC';
  if (bytes.subarray(0, 4).equals(Buffer.from([0, 0, 0, 12])) && brand.startsWith('jP')) return 'JPEG 2000';
  if (brand.startsWith('JXL ') || (bytes[0] === 0xff && bytes[1] === 0x0a)) return 'JPEG XL';
  if (/^P[1-7]\s/.test(bytes.toString('latin1', 0, 3))) return 'PNM';
  if (bytes.toString('latin1', 0, 4) === '8BPS') return 'Photoshop';
  if (bytes.readUInt32LE(0) === 0x01312f76) return 'OpenEXR';
  if (/^\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<svg/s.test(bytes.toString('latin1', 0, 1_000)))
    return 'SVG';
  return undefined;
}

/** The largest value of any channel. */
export function brightestOf({ data }: Image): number {
  let brightest = 0;
  for (const value of data) if (value > brightest) brightest = value;
  return brightest;
}

/** Whether it has at most two values and no colours. */
export function isTwoLevel({ data }: Image): boolean {
  const levels: number[] = [];
  for (let i = 0; i < data.length; i += 3) {
    const value = data[i]!;
    if (value !== data[i + 1] || value !== data[i + 2]) return false;
    if (levels.includes(value)) continue;
    if (levels.length === 2) return false;
    levels.push(value);
  }
  return true;
}

/** Reads a mask. Throws an Error with a message for the user; undefined if it is empty. */
export async function readMask(file: SourceFile): Promise<Bitmap | undefined> {
  const bytes = await readWhole(file, largestFile);
  const { format } = await sharp(bytes)
    .metadata()
    .catch(() => ({ format: 'bmp' }));
  const { width, height, data } = await decodePicture(bytes, { formats: accepted });
  // Compression artefacts around the edges do not belong to it.
  const least = format === 'jpeg' || format === 'webp' ? 128 : 1;
  const mask = new Uint8Array(width * height);
  let isEmpty = true;
  for (let i = 0; i < mask.length; i++) {
    if (Math.max(data[3 * i]!, data[3 * i + 1]!, data[3 * i + 2]!) < least) continue;
    mask[i] = 255;
    isEmpty = false;
  }
  return isEmpty ? undefined : { width, height, data: mask };
}
