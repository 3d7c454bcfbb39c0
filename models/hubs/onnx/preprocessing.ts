/** How the publisher of an ONNX file prepares its images: from files next to it, from the graph, or assumed. */
import { z } from 'zod';
import { check } from '../../../config/check.ts';
import { floatValues } from '../../onnx/build.ts';
import type { OnnxGraph } from '../../onnx/proto.ts';
import { caffe, imagenet, type Preprocessing, symmetric } from '../architectures/network.ts';
import { normalisationOf } from '../architectures/preprocessing.ts';
import type { WeightFile } from '../read/tensors.ts';
import type { ImageInput } from './input.ts';

export interface ProposedPreprocessing extends Preprocessing {
  readonly because: string;
  /** Not stated anywhere. */
  readonly isAssumed: boolean;
}

/** Pixels without scaling. */
const unscaled: Preprocessing = { channels: 'RGB', scale: 1, mean: [0, 0, 0], std: [1, 1, 1] };

/** Preparation of images in Keras applications, by the beginning of their name. */
const kerasApplications: readonly (readonly [RegExp, Preprocessing])[] = [
  [/^(?:resnet(?:50|101|152)v2|mobilenet_?v2|inception|xception|nasnet)/, symmetric],
  [/^(?:mobilenet_?v3|efficientnet|convnext)/, unscaled],
  [/^mobilenet/, symmetric],
  [/^(?:resnet(?:50|101|152)|vgg1[69])/, caffe],
  [/^densenet/, imagenet],
];

const kerasSchema = z.object({ class_name: z.string(), config: z.object({ name: z.string().max(200) }) });
const scaling = new Set(['Sub', 'Div', 'Mul', 'Add']);

export function preprocessingOf(
  files: Pick<WeightFile, 'config' | 'preprocessor'>,
  graph: OnnxGraph,
  { name, type }: Pick<ImageInput, 'name' | 'type'>,
): ProposedPreprocessing {
  const known = { isAssumed: false };
  if (type === 'uint8') return { ...unscaled, ...known, because: 'the input is pixels without scaling' };
  const said = normalisationOf(files);
  if (said) {
    const file = files.preprocessor === undefined ? 'config.json' : 'preprocessor_config.json';
    return { ...said, ...known, because: file };
  }
  const keras = check(kerasSchema, files.config);
  const application = keras.success ? keras.data.config.name : kerasNameIn(graph);
  const applied = application === undefined ? undefined : kerasPreprocessing(application);
  if (applied) {
    const source = keras.success ? 'config.json' : 'names of its layers';
    return { ...applied, ...known, because: `${application} of Keras (${source})` };
  }
  const scaled = scaledFrom(graph, name);
  if (scaled === 'pixels') return { ...unscaled, ...known, because: 'the graph scales the pixels itself' };
  if (scaled === 'fractions') {
    return {
      ...unscaled,
      scale: 1 / 255,
      ...known,
      because: 'the graph normalises values from 0 to 1 itself',
    };
  }
  return { ...imagenet, isAssumed: true, because: 'assumed: no file next to it states it' };
}

const kerasPreprocessing = (name: string) =>
  kerasApplications.find(([pattern]) => pattern.test(name.toLowerCase()))?.[1];

/** "StatefulPartitionedCall/resnet50_1/conv1_conv_1/…" as tf2onnx names what a Keras application computes. */
function kerasNameIn(graph: OnnxGraph): string | undefined {
  for (const { output } of graph.node) {
    // PyTorch names its layers from the root: "/convnext/encoder/…".
    if (output[0]?.startsWith('/')) continue;
    for (const part of output[0]?.split('/') ?? [])
      if (part.length < 100 && kerasPreprocessing(part)) return part.replace(/_\d+$/, '');
  }
  return undefined;
}

/**
 * What the first operator expects, if it subtracts, divides or multiplies by a constant: pixels, or values from 0 to 1, of which a mean of
 * about 0.5 is subtracted and which are divided by a deviation of about 0.2.
 */
function scaledFrom(graph: OnnxGraph, input: string): 'pixels' | 'fractions' | undefined {
  const reader = graph.node.find((one) => one.input.includes(input));
  const other = reader?.input.find((name) => name !== input);
  const operator = reader?.opType ?? '';
  const constant =
    graph.initializer.find(({ name }) => name === other) ??
    graph.node
      .find(({ opType, output }) => opType === 'Constant' && output[0] === other)
      ?.attribute.find(({ name }) => name === 'value')?.t;
  if (!scaling.has(operator) || !constant) return undefined;
  const largest = Math.max(...floatValues(constant).map(Math.abs));
  const ofFractions = operator === 'Mul' ? largest > 0.1 : largest < 2;
  return ofFractions ? 'fractions' : 'pixels';
}

const pixels = z.number().int().min(32).max(4096);
const sideSchema = z.union([
  z.object({ height: pixels, width: pixels }),
  z.object({ shortest_edge: pixels }).transform(({ shortest_edge: side }) => ({ height: side, width: side })),
  pixels.transform((side) => ({ height: side, width: side })),
]);
const timmSize = z.object({
  pretrained_cfg: z.object({ input_size: z.tuple([z.literal(3), pixels, pixels]) }),
});
const transformersSize = z.object({ crop_size: z.unknown().optional(), size: z.unknown().optional() });

/** The size in the publisher's files; undefined if they have none. */
export function sizeOf({
  config,
  preprocessor,
}: Pick<WeightFile, 'config' | 'preprocessor'>):
  | { readonly width: number; readonly height: number }
  | undefined {
  const timm = check(timmSize, config);
  if (timm.success) {
    const [, height, width] = timm.data.pretrained_cfg.input_size;
    return { width, height };
  }
  const transformers = check(transformersSize, preprocessor);
  if (!transformers.success) return undefined;
  const { crop_size, size } = transformers.data;
  for (const one of [crop_size, size]) {
    const found = check(sideSchema, one);
    if (found.success) return found.data;
  }
  return undefined;
}
