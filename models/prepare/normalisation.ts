/** Lookup tables for torchvision's ToTensor and Normalize. */
import type { BaseInput } from '../manifest.ts';

/** RGB channel of each channel of the tensor. */
export const channelOrder = ({ channels }: BaseInput): readonly number[] =>
  channels === 'RGB' ? [0, 1, 2] : [2, 1, 0];

/** (x·scale − mean) / std, one table of 256 values for each channel of the tensor, in the order of mean and std. */
export function makeTables({ scale, mean, std }: BaseInput): Float32Array[] {
  return [0, 1, 2].map((channel) =>
    Float32Array.from({ length: 256 }, (_, x) => (x * scale - mean[channel]!) / std[channel]!),
  );
}
