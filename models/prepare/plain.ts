/** The preparation in plain JavaScript: the reference for vector.ts, and the fallback without WebAssembly SIMD. */
import type { Image } from '../image.ts';
import type { BaseInput } from '../manifest.ts';
import { type Filter, makeFilter, precisionBits } from './filter.ts';
import { channelOrder, makeTables } from './normalisation.ts';
import type { Preparation } from './preparation.ts';

const half = 1 << (precisionBits - 1);

/** One row of RGB to `width` pixels. All weights are positive and sum to one, so no clipping is needed. */
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

/** Caches the filters of the last image size and reuses buffers. */
function makeResize(width: number, height: number): (image: Image) => Uint8Array {
  const rowLength = width * 3;
  const result = new Uint8Array(rowLength * height);
  const sums = new Int32Array(rowLength);
  let across = makeFilter(width, width);
  let down = makeFilter(height, height);
  let rows = new Uint8Array(0);

  return (image) => {
    if (across.from !== image.width) across = makeFilter(image.width, width);
    if (down.from !== image.height) down = makeFilter(image.height, height);

    // A pass that changes nothing is skipped, as in Pillow.
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

/** Resizes, then normalises with a table for each channel. */
export function makePlain(input: BaseInput): Preparation {
  const { width, height, layout } = input;
  const resize = makeResize(width, height);
  const plane = width * height;
  const order = channelOrder(input);
  const tables = makeTables(input);
  return {
    resize,
    fill(image, tensor) {
      const pixels = resize(image);
      for (let channel = 0; channel < 3; channel++) {
        const table = tables[channel]!;
        const step = layout === 'NCHW' ? 1 : 3;
        let out = layout === 'NCHW' ? channel * plane : channel;
        for (let at = order[channel]!; at < plane * 3; at += 3, out += step)
          tensor[out] = table[pixels[at]!]!;
      }
    },
  };
}
