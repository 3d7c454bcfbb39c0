/** What torchvision's ToTensor and Normalize make of each of the 256 values of a channel. */
import type { BaseInput } from '../manifest.ts';

/** Which channel of RGB each channel of the tensor is. */
export const channelOrder = ({ channels }: BaseInput): readonly number[] =>
  channels === 'RGB' ? [0, 1, 2] : [2, 1, 0];

/** (x·scale − mean) / std, one table of 256 for each channel of the tensor, whose order mean and std are in. */
export function makeTables({ scale, mean, std }: BaseInput): Float32Array[] {
  return [0, 1, 2].map((channel) =>
    Float32Array.from({ length: 256 }, (_, x) => (x * scale - mean[channel]!) / std[channel]!),
  );
}
