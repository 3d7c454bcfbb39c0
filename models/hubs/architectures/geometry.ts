/** Sizes of maps and of the padding around them. */
import { mismatch } from './layers.ts';

/** A map [N, channels, height, width]. */
export interface Map4 {
  readonly tensor: string;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** Rows above, columns on the left, rows below, columns on the right. */
export type Pads = readonly [number, number, number, number];

/**
 * `half`: (k-1)/2 on every side, as in PyTorch networks. `same`: as in TensorFlow, with the odd row or column at the bottom
 * and on the right.
 */
export type Padding = 'half' | 'same' | Pads;

/** Rows and columns around the map, for this kernel and stride. */
export function padsOf(
  { height, width }: Map4,
  [rows, columns]: readonly [number, number],
  stride: number,
  padding: Padding,
): Pads {
  if (padding === 'half') {
    const [y, x] = [(rows - 1) >> 1, (columns - 1) >> 1];
    return [y, x, y, x];
  }
  if (padding !== 'same') return padding;
  const total = (size: number, kernel: number) =>
    Math.max((Math.ceil(size / stride) - 1) * stride + kernel - size, 0);
  const [y, x] = [total(height, rows), total(width, columns)];
  return [y >> 1, x >> 1, y - (y >> 1), x - (x >> 1)];
}

/** @throws QcError weights-unsupported if nothing is left of the map */
export function outputSize(
  layer: string,
  { height, width }: Map4,
  [rows, columns]: readonly [number, number],
  stride: number,
  [top, left, bottom, right]: Pads,
) {
  const size = {
    height: Math.floor((height + top + bottom - rows) / stride) + 1,
    width: Math.floor((width + left + right - columns) / stride) + 1,
  };
  if (size.height < 1 || size.width < 1) throw tooSmall(layer);
  return size;
}

export const tooSmall = (layer: string) =>
  mismatch(
    `images are too small for this network: nothing is left of them at ${layer}`,
    'choose a larger --size',
  );
