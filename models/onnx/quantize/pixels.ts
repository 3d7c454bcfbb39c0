/** Lets the first convolution work on exact pixels: quantizing a normalised image to 256 levels would lose information. */
import { floatTensor, node, tensorDims } from '../build.ts';
import { changed, type OnnxModel, type OnnxNode, type OnnxTensor } from '../proto.ts';
import { weightValues } from '../tensors.ts';
import { type Affine, affineOf, countReaders } from './fold.ts';
import type { Range } from './ranges.ts';

/** Normalisation of the input: (value · scale − mean) / std for each of three channels. */
export interface Normalisation {
  readonly name: string;
  readonly layout: 'NCHW' | 'NHWC';
  readonly scale: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** The tensor with integer pixel values that `exactPixels` adds to the graph. */
export const pixelsTensor = 'pixels';

export interface ExactPixels {
  readonly model: OnnxModel;
  /** Range of that tensor; its levels are the pixel values. */
  readonly range: Range;
}

const channels = 3;

/**
 * Inverts the normalisation to integer pixel values minus a middle grey, which 8 bits represent exactly, and moves the
 * normalisation to the first convolution: its weights include the factors. The offsets cannot become a bias, because padding is 0
 * after normalisation: they become the weights of a fourth channel, which is white inside the image and 0 in the padding. A batch
 * normalisation before that convolution is included. Undefined if the graph starts differently.
 */
export function exactPixels(model: OnnxModel, input: Normalisation): ExactPixels | undefined {
  const graph = model.graph!;
  const weights = new Map(graph.initializer.map((tensor) => [tensor.name ?? '', tensor]));
  const readers = countReaders(graph);
  const readerOf = (name: string) =>
    readers.get(name) === 1 ? graph.node.find((one) => one.input[0] === name) : undefined;

  let conv = readerOf(input.name);
  let affine: Affine | undefined;
  let normalised: OnnxNode | undefined;
  if (conv?.opType === 'BatchNormalization') {
    normalised = conv;
    affine = affineOf(conv, weights);
    conv = affine && readerOf(conv.output[0]!);
  }
  const kernel = conv && weights.get(conv.input[1] ?? '');
  if (conv?.opType !== 'Conv' || !kernel || input.layout !== 'NCHW') return undefined;
  const dims = tensorDims(kernel);
  if (dims[1] !== channels) return undefined;

  // The convolution reads factor · (pixel − grey) + offset.
  const { mean, std, scale } = input;
  const middle = mean.reduce((sum, value) => sum + value, 0) / (channels * scale);
  const grey = Math.min(254, Math.max(0, Math.round(middle)));
  const white = 255 - grey;
  const [a, b] = [affine?.factor ?? [1, 1, 1], affine?.offset ?? [0, 0, 0]];
  const factor = std.map((deviation, c) => (a[c]! * scale) / deviation);
  const offset = mean.map((value, c) => b[c]! + (a[c]! * (grey * scale - value)) / std[c]!);
  const [w, k, o] = [`${pixelsTensor}/weight`, `${pixelsTensor}/kernel`, `${pixelsTensor}/offset`];
  const back = new Float32Array((channels + 1) * channels);
  for (let c = 0; c < channels; c++) back[c * channels + c] = std[c]! / scale;
  const backOffset = Float32Array.of(...mean.map((value) => value / scale - grey), white);
  const first = node('Conv', [input.name, k, o], [pixelsTensor], { kernel_shape: [1, 1] });
  const nodes = graph.node.filter((one) => one !== normalised);
  nodes[nodes.indexOf(conv)] = { ...conv, input: [pixelsTensor, w, ...conv.input.slice(2)] };
  const exact = changed(model, {
    graph: changed(graph, {
      node: [first, ...nodes],
      initializer: [
        ...graph.initializer,
        floatTensor(k, [channels + 1, channels, 1, 1], back),
        floatTensor(o, [channels + 1], backOffset),
        widened(w, kernel, dims, { factor, offset, white }),
      ],
    }),
  });
  return { model: exact, range: { min: -grey, max: 255 - grey } };
}

/** [O,3,H,W] → [O,4,H,W], for pixels and white. */
function widened(
  name: string,
  kernel: OnnxTensor,
  [outputs = 0, , height = 1, width = 1]: readonly number[],
  {
    factor,
    offset,
    white,
  }: { readonly factor: readonly number[]; readonly offset: readonly number[]; readonly white: number },
): OnnxTensor {
  const places = height * width;
  const values = weightValues(kernel);
  const wide = new Float32Array(outputs * (channels + 1) * places);
  for (let o = 0; o < outputs; o++) {
    for (let p = 0; p < places; p++) {
      let constant = 0;
      for (let c = 0; c < channels; c++) {
        const value = values[(o * channels + c) * places + p]!;
        wide[(o * (channels + 1) + c) * places + p] = value * factor[c]!;
        constant += value * offset[c]!;
      }
      wide[(o * (channels + 1) + channels) * places + p] = constant / white;
    }
  }
  return floatTensor(name, [outputs, channels + 1, height, width], wide);
}
