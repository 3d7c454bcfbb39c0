/** The head that fine-tuning starts from. */
import { type HeadWeights, hellinger } from '../../models/head.ts';
import { standardise } from '../train/standardise.ts';
import type { StartHead } from './trainer.ts';

/**
 * A linear head as the trainer takes it: the same scores, divided by its temperature, from standardised features.
 * @param features of its training images
 * @param soften divides the scores in addition
 */
export function startHead(
  { weights, bias, temperature, labels }: Pick<HeadWeights, 'weights' | 'bias' | 'temperature' | 'labels'>,
  features: readonly Float32Array[],
  soften = 1,
): StartHead {
  const size = features[0]!.length;
  const even = features.map(() => 1);
  const { mean, scale } = standardise(features.map(hellinger), even);
  // A fixed length of the standardised features makes the steps of the head independent of their number.
  const root = Math.sqrt(size);
  const own = { mean: Float32Array.from(mean), scale: Float32Array.from(scale, (value) => value / root) };
  const by = temperature * soften;
  const scaled = new Float32Array(weights.length);
  const offset = new Float32Array(labels.length);
  labels.forEach((_, k) => {
    let constant = bias[k]!;
    for (let d = 0; d < size; d++) {
      const weight = weights[k * size + d]!;
      // A constant feature gets no weight.
      scaled[k * size + d] = own.scale[d]! > 0 ? weight / own.scale[d]! / by : 0;
      constant += weight * own.mean[d]!;
    }
    offset[k] = constant / by;
  });
  return { ...own, weights: scaled, bias: offset };
}
