import type { Image } from '../image.ts';

/** Prepares images for one base; all implementations give bit-identical results. */
export interface Preparation {
  /** RGB at the base's size, [H·W·3]; valid until the next call. */
  resize(image: Image): Uint8Array;
  /** @param tensor [3·H·W], the output */
  fill(image: Image, tensor: Float32Array): void;
}
