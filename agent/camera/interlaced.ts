import type { Size } from './geometry.ts';

/**
 * How a decoder hands over interlaced video: `woven`, both fields in the rows of one image, or as `fields`, each an image of
 * half the height (H.265 codes nothing else).
 */
export type Scan = 'progressive' | 'woven' | 'fields';

/** @param codec as people write it: `H.264` */
export function interlacedScan(codec: string | undefined): Scan {
  return codec === 'H.265' ? 'fields' : 'woven';
}

/** The size of the whole frame of an image as it is decoded. */
export function frameSize({ width, height }: Size, scan: Scan): Size {
  return { width, height: scan === 'fields' ? 2 * height : height };
}

/** The size of what is used of it: the whole, or the upper field. */
export function usedSize({ width, height }: Size, scan: Scan): Size {
  return { width, height: scan === 'woven' ? Math.ceil(height / 2) : height };
}

/** @param topFirst whether the upper field was captured first */
export function interlacedText(topFirst: boolean): string {
  const order = topFirst ? 'top' : 'bottom';
  return `the video is interlaced (${order} field first): only the rows of one field are judged`;
}
