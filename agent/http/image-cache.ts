import sharp from 'sharp';
import type { Image } from '../../models/image.ts';
import { decodePicture } from '../../models/prepare/decode.ts';
import { encodeJudged } from '../evidence/jpeg.ts';

export interface ImageCache {
  /** Copies the pixels, so that the caller's buffer can be freed early: buffers that live for seconds cost the main loop far more in garbage collection. */
  add(id: string, image: Image): void;
  /** JPEG of an image that is still kept, encoded at the first call. */
  jpeg(id: string): Promise<Buffer> | undefined;
  /** The original image, or decoded from its JPEG if only that is left; undefined if neither is. */
  image(id: string): Promise<Image | undefined>;
}

/** A JPEG has about a tenth of the size of its pixels, so JPEGs get a third of the memory. */
const jpegShare = 1 / 3;

/** Keeps the newest images in bounded memory: pixels in one ring buffer, and JPEGs of the images that someone viewed. */
export function createImageCache(bytes: number): ImageCache {
  const block = Buffer.allocUnsafeSlow(bytes);
  /** Oldest first; each begins where the previous one ends, or at the start of the ring. */
  const raw = new Map<string, { readonly at: number; readonly width: number; readonly height: number }>();
  const jpegs = new Map<string, { readonly encoded: Promise<Buffer>; bytes: number }>();
  let end = 0;
  let jpegBytes = 0;

  function pixels(id: string): Image | undefined {
    const found = raw.get(id);
    if (!found) return undefined;
    const { at, width, height } = found;
    // A copy: the ring may overwrite the pixels before the caller has finished.
    return { width, height, data: Buffer.from(block.subarray(at, at + width * height * 3)) };
  }

  function forgetUpTo(limit: number): void {
    for (const [id, { at }] of raw) {
      if (at < end || at >= limit) return;
      raw.delete(id);
    }
  }

  function keepJpeg(id: string, encoded: Promise<Buffer>): void {
    const kept = { encoded, bytes: 0 };
    jpegs.set(id, kept);
    encoded.then(
      (jpeg) => {
        kept.bytes = jpeg.byteLength;
        jpegBytes += kept.bytes;
        for (const [oldestId, oldest] of jpegs) {
          if (jpegBytes <= bytes * jpegShare) break;
          jpegs.delete(oldestId);
          jpegBytes -= oldest.bytes;
        }
      },
      () => jpegs.delete(id),
    );
  }

  return {
    add(id, { width, height, data }) {
      const size = data.byteLength;
      if (size > bytes) return;
      if (end + size > bytes) {
        forgetUpTo(bytes);
        end = 0;
      }
      forgetUpTo(end + size);
      block.set(data, end);
      raw.set(id, { at: end, width, height });
      end += size;
    },
    jpeg(id) {
      const kept = jpegs.get(id);
      if (kept) return kept.encoded;
      const image = pixels(id);
      if (!image) return undefined;
      const encoded = encodeJudged(image);
      keepJpeg(id, encoded);
      return encoded;
    },
    async image(id) {
      const jpeg = jpegs.get(id)?.encoded;
      return pixels(id) ?? (jpeg && decodePicture(await jpeg));
    },
  };
}

/** Only for people to look at. */
export function encode({ width, height, data }: Image): Promise<Buffer> {
  return sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 88 })
    .toBuffer();
}
