import sharp from 'sharp';
import type { Image } from '../../models/image.ts';

/**
 * The judged image as JPEG: quality 95 and full colour resolution. A higher quality is no closer to the judged pixels: the
 * remaining difference is the rounding of colours, which quality 100 has too (docs/evidence.md).
 */
export function encodeJudged({ width, height, data }: Image): Promise<Buffer> {
  return sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 95, chromaSubsampling: '4:4:4' })
    .toBuffer();
}
