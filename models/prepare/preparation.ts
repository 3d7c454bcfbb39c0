import type { Image } from '../image.ts';

/** One way to prepare pictures for one base; all ways give the same, bit for bit. */
export interface Preparation {
  /** RGB at the base's size, [H·W·3]; valid until the next call. */
  resize(image: Image): Uint8Array;
  /** @param tensor [3·H·W], is filled */
  fill(image: Image, tensor: Float32Array): void;
}
