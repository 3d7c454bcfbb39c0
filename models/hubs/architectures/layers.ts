/** Layers of a network by their names in the framework, for every file format. */
import { z } from 'zod';
import { check } from '../../../config/check.ts';
import { QcError } from '../../../config/errors.ts';
import { type NamedTensor, shown, type WeightFile } from '../read/tensors.ts';

/** A convolution: values [outputs, inputs per group, height, width], as ONNX orders them. */
export interface Kernel {
  readonly values: Float32Array;
  readonly shape: readonly [number, number, number, number];
  readonly bias: Float32Array | undefined;
}

/** Batch normalisation as in inference. */
export interface Norm {
  readonly gamma: Float32Array | undefined;
  readonly beta: Float32Array | undefined;
  readonly mean: Float32Array;
  readonly variance: Float32Array;
  readonly epsilon: number;
}

export interface Layers {
  /** Whether there is a convolution of this name. */
  has(layer: string): boolean;
  /** Of a convolution's kernel. @throws QcError weights-… */
  shapeOf(layer: string): Kernel['shape'];
  /** @throws QcError weights-… */
  conv(layer: string): Promise<Kernel>;
  /** Undefined if the file has none, because they were folded into the convolutions. @throws QcError weights-… */
  norm(layer: string): Promise<Norm | undefined>;
  /** Undefined if the file does not state it (in the topology of a Keras file). */
  strideOf(layer: string): number | undefined;
  /** Names of unused tensors so far. */
  unused(): string[];
}

export const mismatch = (what: string, remedy?: string) =>
  new QcError('weights-unsupported', what, remedy === undefined ? {} : { remedy });

export interface LayersOptions {
  /** Before every name: "teacher.backbone.". */
  readonly prefix: string;
  /** Epsilon of batch normalisation, if the file does not state it. */
  readonly epsilon: number;
}

/** The four dimensions of a kernel. @throws QcError weights-unsupported */
function fourOf({ name, shape }: NamedTensor): [number, number, number, number] {
  const [a, b, c, d] = shape;
  if (shape.length !== 4 || !a || !b || !c || !d)
    throw mismatch(`${shown(name)} has the shape [${shape}]: no convolution of images`);
  return [a, b, c, d];
}

/** PyTorch: "layer1.0.conv1.weight", [O,I,H,W]. */
export function torchLayers({ tensors }: WeightFile, { prefix, epsilon }: LayersOptions): Layers {
  const { used, find, need } = lookUp(tensors, prefix);
  return {
    has: (layer) => tensors.has(`${prefix}${layer}.weight`),
    shapeOf: (layer) => fourOf(need(`${layer}.weight`)),
    async conv(layer) {
      const weight = need(`${layer}.weight`);
      return {
        shape: fourOf(weight),
        values: await weight.read(),
        bias: await find(`${layer}.bias`)?.read(),
      };
    },
    async norm(layer) {
      find(`${layer}.num_batches_tracked`);
      return {
        gamma: await find(`${layer}.weight`)?.read(),
        beta: await find(`${layer}.bias`)?.read(),
        mean: await need(`${layer}.running_mean`).read(),
        variance: await need(`${layer}.running_var`).read(),
        epsilon,
      };
    },
    strideOf: () => undefined,
    unused: () => [...tensors.keys()].filter((name) => name.startsWith(prefix) && !used.has(name)),
  };
}

const layerSchema = z.object({ class_name: z.string(), config: z.looseObject({ name: z.string() }) });
const topologySchema = z.object({ config: z.object({ layers: z.array(layerSchema) }) });
const strideSchema = z.object({ strides: z.tuple([z.number().int().min(1).max(8), z.number()]) });
const epsilonSchema = z.object({ epsilon: z.number().positive().max(1) });

/**
 * Keras: "conv1_conv/kernel", [H,W,I,O]; of a depthwise convolution [H,W,C,1]. Names are compared in lower case, with a slash as
 * "_" and "BatchNorm" as "bn": Keras 2 and 3 differ in that.
 */
export function kerasLayers({ tensors, config }: WeightFile, { prefix, epsilon }: LayersOptions): Layers {
  const byName = new Map([...tensors.values()].map((tensor) => [plainName(tensor.name), tensor]));
  const topology = check(topologySchema, config);
  const settings = new Map(
    topology.success
      ? topology.data.config.layers.map(({ config: layer }) => [plainName(`${layer.name}/`), layer])
      : [],
  );
  const isFolded = ![...byName.keys()].some((name) => name.endsWith('/moving_mean'));
  const { used, find, need } = lookUp(byName, prefix);
  const kernelOf = (layer: string) => find(`${layer}/depthwise_kernel`) ?? need(`${layer}/kernel`);
  // In Keras 3 the kernel of a depthwise convolution is also "kernel": only the name of the layer distinguishes it.
  const isDepthwise = (layer: string) => layer.endsWith('depthwise');
  return {
    has: (layer) =>
      ['kernel', 'depthwise_kernel'].some((weight) => byName.has(`${prefix}${layer}/${weight}`)),
    shapeOf(layer) {
      const [h, w, i, o] = fourOf(kernelOf(layer));
      return isDepthwise(layer) ? [i, o, h, w] : [o, i, h, w];
    },
    async conv(layer) {
      const weight = kernelOf(layer);
      const ordered = isDepthwise(layer) ? depthwiseOrder : usualOrder;
      const bias = await find(`${layer}/bias`)?.read();
      return { bias, ...ordered(fourOf(weight), await weight.read()) };
    },
    async norm(layer) {
      if (isFolded) return undefined;
      const said = check(epsilonSchema, settings.get(`${layer}/`));
      return {
        gamma: await find(`${layer}/gamma`)?.read(),
        beta: await find(`${layer}/beta`)?.read(),
        mean: await need(`${layer}/moving_mean`).read(),
        variance: await need(`${layer}/moving_variance`).read(),
        epsilon: said.success ? said.data.epsilon : epsilon,
      };
    },
    strideOf(layer) {
      const said = check(strideSchema, settings.get(`${layer}/`));
      return said.success ? said.data.strides[0] : undefined;
    },
    unused: () =>
      [...byName].flatMap(([name, tensor]) =>
        name.startsWith(prefix) && !used.has(tensor.name) ? [tensor.name] : [],
      ),
  };
}

/** The last part is the weight, the rest is the layer. */
export function plainName(name: string): string {
  const at = name.lastIndexOf('/');
  const layer = name.slice(0, at).toLowerCase().replaceAll('/batchnorm', '_bn').replaceAll('/', '_');
  return `${layer}/${name.slice(at + 1)}`;
}

type Ordered = Pick<Kernel, 'values' | 'shape'>;

/** [H,W,I,O] → [O,I,H,W] */
function usualOrder([h, w, i, o]: readonly [number, number, number, number], values: Float32Array): Ordered {
  const out = new Float32Array(values.length);
  const places = h * w;
  for (let place = 0, at = 0; place < places; place++)
    for (let input = 0; input < i; input++)
      for (let output = 0; output < o; output++) out[(output * i + input) * places + place] = values[at++]!;
  return { values: out, shape: [o, i, h, w] };
}

/** [H,W,C,1] → [C,1,H,W] */
function depthwiseOrder(
  [h, w, c, m]: readonly [number, number, number, number],
  values: Float32Array,
): Ordered {
  if (m !== 1)
    throw mismatch(`a depthwise convolution gives ${m} outputs for each channel, only 1 is supported`);
  const { values: out } = usualOrder([h, w, 1, c], values);
  return { values: out, shape: [c, 1, h, w] };
}

/** Finds tensors by their names after the prefix, and records the used names. */
function lookUp(tensors: ReadonlyMap<string, NamedTensor>, prefix: string) {
  const used = new Set<string>();
  const find = (name: string): NamedTensor | undefined => {
    const tensor = tensors.get(`${prefix}${name}`);
    if (tensor) used.add(tensor.name);
    return tensor;
  };
  const need = (name: string) => {
    const tensor = find(name);
    if (!tensor) throw mismatch(`there is no ${shown(`${prefix}${name}`)}`);
    return tensor;
  };
  return { used, find, need };
}
