/**
 * A network as ONNX, written layer by layer. Batch normalisation is folded into the convolution before it; padding is
 * explicit and equals that of the source framework for the size of the input.
 */
import { buildModel, floatTensor, node, shapeTensor, valueInfo } from '../../onnx/build.ts';
import type { OnnxModel, OnnxNode, OnnxTensor } from '../../onnx/proto.ts';
import { affineOf, folded } from './folding.ts';
import { type Map4, outputSize, type Padding, type Pads, padsOf, tooSmall } from './geometry.ts';
import { type Layers, mismatch } from './layers.ts';

export interface ConvOptions {
  /** Batch normalisation after it. */
  readonly norm?: string;
  readonly stride?: number;
  readonly padding?: Padding;
  /** One kernel for each channel. */
  readonly depthwise?: boolean;
  /** Name of the result; default: that of the layer. */
  readonly tensor?: string;
}

export class GraphDraft {
  readonly layers: Layers;
  readonly #nodes: OnnxNode[] = [];
  readonly #weights: OnnxTensor[] = [];
  readonly #input: Map4;

  constructor(layers: Layers, size: { readonly width: number; readonly height: number }) {
    this.layers = layers;
    this.#input = { tensor: 'input', channels: 3, ...size };
  }

  get input(): Map4 {
    return this.#input;
  }

  /** @param layer its name in the source. @throws QcError weights-… */
  async conv(from: Map4, layer: string, options: ConvOptions = {}): Promise<Map4> {
    const { norm, stride = 1, padding = 'half', depthwise = false, tensor = layer } = options;
    const kernel = await this.layers.conv(layer);
    const [outputs, inputs, height, width] = kernel.shape;
    const groups = depthwise ? from.channels : 1;
    if (inputs * groups !== from.channels || (depthwise && outputs !== groups)) {
      throw mismatch(
        `${layer} takes ${inputs} channels${depthwise ? ' a group' : ''}, but ${from.channels} come from the layer before`,
      );
    }
    const { values, bias } = folded(
      layer,
      kernel,
      norm === undefined ? undefined : await this.layers.norm(norm),
    );
    this.#weights.push(floatTensor(`${layer}.weight`, kernel.shape, values));
    if (bias) this.#weights.push(floatTensor(`${layer}.bias`, [outputs], bias));
    const pads = padsOf(from, [height, width], stride, padding);
    this.#nodes.push(
      node('Conv', [from.tensor, `${layer}.weight`, ...(bias ? [`${layer}.bias`] : [])], [tensor], {
        kernel_shape: [height, width],
        strides: [stride, stride],
        pads,
        ...(groups > 1 && { group: groups }),
      }),
    );
    return { tensor, channels: outputs, ...outputSize(layer, from, [height, width], stride, pads) };
  }

  /** Batch normalisation without a convolution before it. @throws QcError weights-… */
  async norm(from: Map4, layer: string): Promise<Map4> {
    const norm = await this.layers.norm(layer);
    if (!norm) throw mismatch(`${layer} was folded into another layer: use the Keras file instead`);
    const { factor, offset } = affineOf(layer, norm, from.channels);
    const [scale, shift, mean, variance] = ['scale', 'shift', 'mean', 'variance'].map(
      (part) => `${layer}.${part}`,
    );
    const { channels } = from;
    this.#weights.push(
      floatTensor(scale!, [channels], Float32Array.from(factor)),
      floatTensor(shift!, [channels], Float32Array.from(offset)),
      floatTensor(mean!, [channels], new Float32Array(channels)),
      floatTensor(variance!, [channels], new Float32Array(channels).fill(1)),
    );
    // The rest is an affine function with mean 0 and variance 1, so the effect of epsilon must be removed.
    this.#nodes.push(
      node('BatchNormalization', [from.tensor, scale!, shift!, mean!, variance!], [layer], {
        epsilon: { float: 0 },
      }),
    );
    return { ...from, tensor: layer };
  }

  relu(from: Map4, tensor = `${from.tensor}.relu`): Map4 {
    this.#nodes.push(node('Relu', [from.tensor], [tensor]));
    return { ...from, tensor };
  }

  relu6(from: Map4, tensor = `${from.tensor}.relu6`): Map4 {
    this.#constant('zero', 0);
    this.#constant('six', 6);
    this.#nodes.push(node('Clip', [from.tensor, 'zero', 'six'], [tensor]));
    return { ...from, tensor };
  }

  /** min(max(x / 6 + 1/2, 0), 1) */
  hardSigmoid(from: Map4): Map4 {
    const tensor = `${from.tensor}.hard_sigmoid`;
    this.#nodes.push(
      node('HardSigmoid', [from.tensor], [tensor], { alpha: { float: 1 / 6 }, beta: { float: 0.5 } }),
    );
    return { ...from, tensor };
  }

  /** x · hardSigmoid(x); an operator of its own only from operator set 14 on. */
  hardSwish(from: Map4, tensor = `${from.tensor}.hard_swish`): Map4 {
    return this.multiply(from, this.hardSigmoid(from), tensor);
  }

  /** @param b of the same size, or one value for each channel */
  multiply(a: Map4, b: Map4, tensor: string): Map4 {
    this.#nodes.push(node('Mul', [a.tensor, b.tensor], [tensor]));
    return { ...a, tensor };
  }

  add(a: Map4, b: Map4, tensor: string): Map4 {
    if (a.channels !== b.channels || a.height !== b.height || a.width !== b.width) {
      const shape = ({ channels, height, width }: Map4) => `[${channels},${height},${width}]`;
      throw mismatch(`${tensor} would add ${shape(a)} and ${shape(b)}: this is a different network`);
    }
    this.#nodes.push(node('Add', [a.tensor, b.tensor], [tensor]));
    return { ...a, tensor };
  }

  maxPool(from: Map4, kernel: number, stride: number, padding: Padding, tensor: string): Map4 {
    return this.#pool('MaxPool', from, kernel, stride, padding, tensor);
  }

  /** Values outside the map do not count. */
  averagePool(from: Map4, kernel: number, stride: number, padding: Padding, tensor: string): Map4 {
    return this.#pool('AveragePool', from, kernel, stride, padding, tensor);
  }

  #pool(type: string, from: Map4, kernel: number, stride: number, padding: Padding, tensor: string): Map4 {
    const size = [kernel, kernel] as const;
    const pads = padsOf(from, size, stride, padding);
    this.#nodes.push(
      node(type, [from.tensor], [tensor], { kernel_shape: size, strides: [stride, stride], pads }),
    );
    return { ...from, tensor, ...outputSize(tensor, from, size, stride, pads) };
  }

  /**
   * A max pool over a map with a border of zeros, which count as values. As a Pad before the pool it would be correct ONNX, but
   * onnxruntime (1.30, pad_fusion.cc) merges the two, and zeros no longer count: therefore a pool, then a maximum with 0
   * for windows at the border.
   */
  maxPoolOverZeros(from: Map4, kernel: number, stride: number, border: number, tensor: string): Map4 {
    const map = this.maxPool(from, kernel, stride, [border, border, border, border], `${tensor}.pool`);
    const touches = (at: number, size: number) =>
      at * stride < border || at * stride - border + kernel > size;
    // Less than any value of a map, and representable as float16.
    const none = -60_000;
    const values = Float32Array.from({ length: map.height * map.width }, (_, i) => {
      const [y, x] = [Math.floor(i / map.width), i % map.width];
      return touches(y, from.height) || touches(x, from.width) ? 0 : none;
    });
    this.#weights.push(floatTensor(`${tensor}.border`, [1, 1, map.height, map.width], values));
    this.#nodes.push(node('Max', [map.tensor, `${tensor}.border`], [tensor]));
    return { ...map, tensor };
  }

  #reflected(from: Map4): Map4 {
    if (from.height < 2 || from.width < 2) throw tooSmall(from.tensor);
    const tensor = `${from.tensor}.reflected`;
    this.#weights.push(shapeTensor(`${tensor}.pads`, [0, 0, 1, 1, 0, 0, 1, 1]));
    this.#nodes.push(node('Pad', [from.tensor, `${tensor}.pads`], [tensor], { mode: 'reflect' }));
    return { ...from, tensor, height: from.height + 2, width: from.width + 2 };
  }

  /** BlurPool of timm: a binomial 3×3 filter for each channel, stride 2, its border reflected. */
  blurPool(from: Map4, tensor: string): Map4 {
    const padded = this.#reflected(from);
    const { channels } = from;
    const row = [1 / 4, 1 / 2, 1 / 4];
    const filter = row.flatMap((a) => row.map((b) => a * b));
    const values = Float32Array.from({ length: channels * 9 }, (_, i) => filter[i % 9]!);
    this.#weights.push(floatTensor(`${tensor}.filter`, [channels, 1, 3, 3], values));
    const pads: Pads = [0, 0, 0, 0];
    this.#nodes.push(
      node('Conv', [padded.tensor, `${tensor}.filter`], [tensor], {
        kernel_shape: [3, 3],
        strides: [2, 2],
        pads,
        ...(channels > 1 && { group: channels }),
      }),
    );
    return { tensor, channels, ...outputSize(tensor, padded, [3, 3], 2, pads) };
  }

  /** [N,C,1,1] */
  globalAverage(from: Map4, tensor = `${from.tensor}.mean`): Map4 {
    this.#nodes.push(node('GlobalAveragePool', [from.tensor], [tensor]));
    return { tensor, channels: from.channels, height: 1, width: 1 };
  }

  #globalMaximum(from: Map4): Map4 {
    const tensor = `${from.tensor}.maximum`;
    this.#nodes.push(node('GlobalMaxPool', [from.tensor], [tensor]));
    return { tensor, channels: from.channels, height: 1, width: 1 };
  }

  /**
   * The model whose output `features` is the average of each of these maps, with `maximum` also the maximum, in this order.
   * The caller must omit layers that are not needed.
   */
  finish(
    name: string,
    from: readonly Map4[],
    maximum: boolean,
  ): { readonly model: OnnxModel; readonly size: number } {
    const pooled = from.flatMap((map) =>
      maximum ? [this.globalAverage(map), this.#globalMaximum(map)] : [this.globalAverage(map)],
    );
    const size = pooled.reduce((sum, { channels }) => sum + channels, 0);
    const [first] = pooled;
    if (pooled.length > 1)
      this.#nodes.push(
        node(
          'Concat',
          pooled.map(({ tensor }) => tensor),
          ['pooled'],
          { axis: 1 },
        ),
      );
    this.#nodes.push(
      node('Flatten', [pooled.length > 1 ? 'pooled' : first!.tensor], ['features'], { axis: 1 }),
    );
    const { height, width } = this.#input;
    const model = buildModel({
      name,
      node: this.#nodes,
      initializer: this.#weights,
      input: [valueInfo('input', ['N', 3, height, width])],
      output: [valueInfo('features', ['N', size])],
    });
    return { model, size };
  }

  #constant(name: string, value: number): void {
    if (!this.#weights.some((weight) => weight.name === name))
      this.#weights.push(floatTensor(name, [], Float32Array.of(value)));
  }
}
