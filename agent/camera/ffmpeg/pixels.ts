import type { Image } from '../../../models/image.ts';
import { countPixels } from '../pixel-gc.ts';

/** Splits a stream of raw RGB bytes into images. Their sizes are announced by `expect`, in order. */
export class PixelStream<T extends { readonly width: number; readonly height: number }> {
  readonly #onImage: (image: Image, told: T) => void;
  readonly #told: T[] = [];
  #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(onImage: (image: Image, told: T) => void) {
    this.#onImage = onImage;
  }

  /** Announces the size of the next image. */
  expect(told: T): void {
    this.#told.push(told);
    this.#cut();
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    this.#cut();
  }

  #cut(): void {
    for (let told = this.#told[0]; told; told = this.#told[0]) {
      const size = told.width * told.height * 3;
      if (this.#bytes < size) return;
      countPixels(size);
      const all = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks, this.#bytes);
      this.#told.shift();
      this.#chunks = all.length > size ? [all.subarray(size)] : [];
      this.#bytes = all.length - size;
      this.#onImage({ width: told.width, height: told.height, data: all.subarray(0, size) }, told);
    }
  }
}
