import type { Size } from './geometry.ts';

/**
 * How a decoder outputs interlaced video: `woven`, both fields in the rows of one image, or as `fields`, each an image of
 * half the height (the only way in H.265).
 */
export type Scan = 'progressive' | 'woven' | 'fields';

/** @param codec display name: `H.264` */
export function interlacedScan(codec: string | undefined): Scan {
  return codec === 'H.265' ? 'fields' : 'woven';
}

/** The size of the whole frame to which a decoded image belongs. */
export function frameSize({ width, height }: Size, scan: Scan): Size {
  return { width, height: scan === 'fields' ? 2 * height : height };
}

/** The size of the used part of a frame: the whole, or the upper field. */
export function usedSize({ width, height }: Size, scan: Scan): Size {
  return { width, height: scan === 'woven' ? Math.ceil(height / 2) : height };
}

/** @param topFirst whether the upper field was captured first */
export function interlacedText(topFirst: boolean): string {
  const order = topFirst ? 'top' : 'bottom';
  return `the video is interlaced (${order} field first): only the rows of one field are judged`;
}
