import sharp from 'sharp';
import type { Image } from '../../models/image.ts';
import { decodePicture } from '../../models/prepare/decode.ts';
import { encodeJudged } from '../evidence/jpeg.ts';

export interface Pictures {
  /** Copies the pixels: the caller's die young, which costs the main loop far less than buffers that live for seconds. */
  add(id: string, image: Image): void;
  /** JPEG of a picture that is still kept, encoded at the first call. */
  jpeg(id: string): Promise<Buffer> | undefined;
  /** The picture as it was, or from its JPEG where only that is left; undefined where neither is. */
  image(id: string): Promise<Image | undefined>;
}

/** JPEGs take a tenth of their pixels and a third of the room. */
const jpegShare = 1 / 3;

/** The newest pictures in bounded memory: pixels in one block that is written round and round, JPEGs of those looked at. */
export function createPictures(bytes: number): Pictures {
  const block = Buffer.allocUnsafeSlow(bytes);
  /** The oldest first, each where the one before ends, or at the beginning again. */
  const raw = new Map<string, { readonly at: number; readonly width: number; readonly height: number }>();
  const jpegs = new Map<string, { readonly encoded: Promise<Buffer>; bytes: number }>();
  let end = 0;
  let jpegBytes = 0;

  function pixels(id: string): Image | undefined {
    const found = raw.get(id);
    if (!found) return undefined;
    const { at, width, height } = found;
    // A copy: the place may be written again before whoever asked is done.
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

/** For the eye alone. */
export function encode({ width, height, data }: Image): Promise<Buffer> {
  return sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 88 })
    .toBuffer();
}
