/** Batch normalisation folded into the convolution before it. */
import { type Kernel, mismatch, type Norm } from './layers.ts';

/** Batch normalisation in inference is y = factor · x + offset. */
export function affineOf(layer: string, { gamma, beta, mean, variance, epsilon }: Norm, channels: number) {
  for (const part of [gamma, beta, mean, variance]) {
    if (part && part.length !== channels)
      throw mismatch(`batch normalisation ${layer} has ${part.length} channels instead of ${channels}`);
  }
  const factor = Array.from(variance, (value, c) => (gamma?.[c] ?? 1) / Math.sqrt(value + epsilon));
  if (!factor.every(Number.isFinite)) throw mismatch(`batch normalisation ${layer} has an invalid variance`);
  return { factor, offset: factor.map((value, c) => (beta?.[c] ?? 0) - mean[c]! * value) };
}

/** The weights of a convolution with batch normalisation after it. @throws QcError weights-unsupported */
export function folded(layer: string, { values, shape, bias }: Kernel, norm: Norm | undefined) {
  if (bias && bias.length !== shape[0])
    throw mismatch(`${layer} has ${bias.length} biases for ${shape[0]} outputs`);
  if (!norm) return { values, bias };
  const { factor, offset } = affineOf(layer, norm, shape[0]);
  const each = values.length / shape[0];
  return {
    values: values.map((value, i) => value * factor[Math.floor(i / each)]!),
    bias: Float32Array.from(offset, (value, c) => value + (bias?.[c] ?? 0) * factor[c]!),
  };
}
