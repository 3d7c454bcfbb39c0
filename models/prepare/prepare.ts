/**
 * Converts an image to the input tensor, bit-identical to the reference: Pillow's `resize(BILINEAR)` on 8-bit RGB, then torchvision's ToTensor
 * and Normalize. The resize is the antialiased two-pass filter of Pillow: rows first, rounded to 8 bits in between.
 */
import { QcError } from '../../config/errors.ts';
import type { Image } from '../image.ts';
import type { BaseInput } from '../manifest.ts';
import { makePlain } from './plain.ts';
import { hasVectors, makeVector } from './vector.ts';

/** Image → tensor of the base's input, [3·H·W]; without `tensor`, every call returns the same buffer. */
export type Prepare = (image: Image, tensor?: Float32Array) => Float32Array;

/** Creates the preparation for one base: resize without keeping the aspect ratio, normalise, order channels and planes. */
export function makePrepare(input: BaseInput): Prepare {
  const { fill } = hasVectors() ? makeVector(input) : makePlain(input);
  let own: Float32Array | undefined;
  return (image, given) => {
    const { width, height, data } = image;
    if (width < 1 || height < 1 || data.length !== width * height * 3) {
      throw new QcError(
        'image-invalid',
        `an RGB image of ${width}×${height} pixels cannot have ${data.length} bytes`,
      );
    }
    own ??= given ? undefined : new Float32Array(input.width * input.height * 3);
    const tensor = (given ?? own)!;
    fill(image, tensor);
    return tensor;
  };
}
