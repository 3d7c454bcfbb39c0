/**
 * Image → input tensor, exactly as the reference does it: Pillow's `resize(BILINEAR)` on 8-bit RGB, then
 * torchvision's ToTensor and Normalize. The resize is the antialiased two-pass filter of Pillow's
 * src/libImaging/Resample.c (12.x): integer weights of 22 bits, rows first, rounded to 8 bits in between.
 */
import { QcError } from '../config/errors.ts';
import type { Image } from './image.ts';
import type { BaseInput } from './manifest.ts';

/** Image → tensor of the base's input; the tensor and all buffers are reused by the next call. */
export type Prepare = (image: Image) => Float32Array;

/** PRECISION_BITS in Resample.c: 32 bits less 8 for the result and 2 for overflow. */
const precisionBits = 22;
const half = 1 << (precisionBits - 1);

/** For each output position: where its window starts, how long it is, and its weights in 22-bit fixed point. */
interface Filter {
  readonly from: number;
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly weights: Int32Array;
  readonly stride: number;
}

/** `precompute_coeffs` and `normalize_coeffs_8bpc` of Resample.c for the triangle filter, support 1. */
function makeFilter(from: number, to: number): Filter {
  const scale = from / to;
  const filterScale = Math.max(scale, 1);
  const stride = Math.ceil(filterScale) * 2 + 1;
  const first = new Int32Array(to);
  const count = new Int32Array(to);
  const weights = new Int32Array(to * stride);
  const window = new Float64Array(stride);
  for (let at = 0; at < to; at++) {
    const center = (at + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - filterScale + 0.5));
    const length = Math.min(from, Math.trunc(center + filterScale + 0.5)) - start;
    let sum = 0;
    for (let i = 0; i < length; i++) {
      const distance = Math.abs((i + start - center + 0.5) * (1 / filterScale));
      window[i] = distance < 1 ? 1 - distance : 0;
      sum += window[i]!;
    }
    for (let i = 0; i < length; i++) {
      const weight = sum === 0 ? window[i]! : window[i]! / sum;
      weights[at * stride + i] = Math.trunc(0.5 + weight * 2 ** precisionBits);
    }
    first[at] = start;
    count[at] = length;
  }
  return { from, first, count, weights, stride };
}

/** One row of RGB to `width` pixels. All weights are positive and add up to one: no clipping is needed. */
function resampleRow(source: Uint8Array, sourceAt: number, filter: Filter, out: Uint8Array, outAt: number) {
  const { first, count, weights, stride } = filter;
  for (let x = 0; x < first.length; x++) {
    let red = half;
    let green = half;
    let blue = half;
    let pixel = sourceAt + first[x]! * 3;
    const last = x * stride + count[x]!;
    for (let k = x * stride; k < last; k++) {
      const weight = weights[k]!;
      red += source[pixel]! * weight;
      green += source[pixel + 1]! * weight;
      blue += source[pixel + 2]! * weight;
      pixel += 3;
    }
    out[outAt++] = red >> precisionBits;
    out[outAt++] = green >> precisionBits;
    out[outAt++] = blue >> precisionBits;
  }
}

/** Makes the resize to a fixed size; filters are kept for the size last seen, buffers are reused. */
export function makeResize(width: number, height: number): (image: Image) => Uint8Array {
  const rowLength = width * 3;
  const result = new Uint8Array(rowLength * height);
  const sums = new Int32Array(rowLength);
  let across = makeFilter(width, width);
  let down = makeFilter(height, height);
  let rows = new Uint8Array(0);

  return (image) => {
    if (image.width < 1 || image.height < 1 || image.data.length !== image.width * image.height * 3) {
      const { width, height, data } = image;
      throw new QcError('image-invalid', `${width}×${height} pixels of RGB do not fit ${data.length} bytes`);
    }
    if (across.from !== image.width) across = makeFilter(image.width, width);
    if (down.from !== image.height) down = makeFilter(image.height, height);

    // A pass that changes nothing is left out, as Pillow does.
    let source = image.data;
    if (image.width !== width) {
      if (rows.length < image.height * rowLength) rows = new Uint8Array(image.height * rowLength);
      for (let y = 0; y < image.height; y++) {
        resampleRow(image.data, y * image.width * 3, across, rows, y * rowLength);
      }
      source = rows;
    }
    if (image.height === height) return source.subarray(0, result.length);

    for (let y = 0; y < height; y++) {
      sums.fill(half);
      for (let k = 0; k < down.count[y]!; k++) {
        const weight = down.weights[y * down.stride + k]!;
        const row = (down.first[y]! + k) * rowLength;
        for (let x = 0; x < rowLength; x++) sums[x]! += source[row + x]! * weight;
      }
      const out = y * rowLength;
      for (let x = 0; x < rowLength; x++) result[out + x] = sums[x]! >> precisionBits;
    }
    return result;
  };
}

/** Makes the whole preparation for one base: squash to its size, normalise, order channels and planes. */
export function makePrepare(input: BaseInput): Prepare {
  const { width, height, layout, channels, scale, mean, std } = input;
  const resize = makeResize(width, height);
  const plane = width * height;
  const tensor = new Float32Array(plane * 3);
  const order = channels === 'RGB' ? [0, 1, 2] : [2, 1, 0];
  // One table per channel: (x·scale − mean) / std for each of the 256 values. Mean and std are in the
  // order of the tensor's channels.
  const tables = order.map((_, channel) =>
    Float32Array.from({ length: 256 }, (_, x) => (x * scale - mean[channel]!) / std[channel]!),
  );

  return (image) => {
    const pixels = resize(image);
    for (let channel = 0; channel < 3; channel++) {
      const table = tables[channel]!;
      const step = layout === 'NCHW' ? 1 : 3;
      let out = layout === 'NCHW' ? channel * plane : channel;
      for (let at = order[channel]!; at < plane * 3; at += 3, out += step) tensor[out] = table[pixels[at]!]!;
    }
    return tensor;
  };
}
