/** Converts numbers to 8-bit levels: activations per tensor, weights per channel. */
import type { OnnxTensor } from '../proto.ts';
import { integerTensor } from '../tensors.ts';
import type { Range } from './ranges.ts';

/** x86 multiplies uint8 with signed weights in one instruction (VNNI); some other runtimes need int8. */
export type ActivationType = 'uint8' | 'int8';

/** real = scale · (level − zero) */
export interface Levels {
  readonly scale: number;
  readonly zero: number;
}

/** 256 levels over the range, which includes 0. */
export function levelsOf({ min, max }: Range, type: ActivationType): Levels {
  const lowest = type === 'uint8' ? 0 : -128;
  const [from, to] = [Math.min(0, min), Math.max(0, max)];
  // A tensor that is always 0 needs a nonzero scale.
  const scale = Math.fround(to > from ? (to - from) / 255 : 1);
  return { scale, zero: Math.min(255, Math.max(0, Math.round(-from / scale))) + lowest };
}

export interface QuantizedWeights {
  readonly values: Int8Array;
  /** For each output channel. */
  readonly scales: Float32Array;
}

/** Maximum level of a weight; symmetric, so that no zero point is needed. */
const maxLevel = 127;

/**
 * Symmetric levels per channel. Within a window the rounding error is carried to the next weight, which preserves the sum of the
 * window: neighbouring pixels are similar, so that an error of the sum would scale with their brightness (error diffusion, Floyd
 * and Steinberg 1976, on weights).
 * @param values [O,I,H,W], row-major
 * @param bias [O]; if it does not fit into 32 bits at a channel's scale, the scale is increased
 * @param inputScale of the activation that is multiplied with them
 */
export function quantizeWeights(
  values: Float32Array,
  [channels = 0, , ...window]: readonly number[],
  bias: Float32Array,
  inputScale: number,
): QuantizedWeights {
  const size = values.length / channels;
  const places = window.reduce((product, side) => product * side, 1);
  const levels = new Int8Array(values.length);
  const scales = new Float32Array(channels);
  for (let c = 0; c < channels; c++) {
    const row = values.subarray(c * size, (c + 1) * size);
    const reach = row.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
    const minScale = Math.abs(bias[c]!) / (inputScale * 2 ** 30);
    const scale = Math.fround(Math.max(reach / maxLevel, minScale) || 1);
    scales[c] = scale;
    let carry = 0;
    for (let i = 0; i < size; i++) {
      if (i % places === 0) carry = 0;
      const exact = row[i]! / scale + carry;
      const level = Math.max(-maxLevel, Math.min(maxLevel, Math.round(exact)));
      carry = exact - level;
      levels[c * size + i] = level;
    }
  }
  return { values: levels, scales };
}

/** The bias in units of the products that it is added to, [O] int32, and the unit of each channel. */
export function quantizeBias(
  name: string,
  bias: Float32Array,
  inputScale: number,
  scales: Float32Array,
): { readonly tensor: OnnxTensor; readonly scales: Float32Array } {
  const units = scales.map((scale) => inputScale * scale);
  const values = Int32Array.from(bias, (value, c) => Math.round(value / units[c]!));
  return { tensor: integerTensor(name, [bias.length], values), scales: units };
}
