/** Result of the recognition of an architecture. */
import type { BaseInput } from '../../manifest.ts';
import type { WeightFile } from '../read/tensors.ts';
import type { GraphDraft } from './draft.ts';
import type { Map4 } from './geometry.ts';
import type { Layers } from './layers.ts';

/** How an 8-bit value becomes one of the input. */
export type Preprocessing = Pick<BaseInput, 'channels' | 'scale' | 'mean' | 'std'>;

export interface Built {
  /** By name: stage1 … stage4 for the last map of each stride from 4 on, and single blocks. */
  readonly maps: ReadonlyMap<string, Map4>;
  /** The last map; its average is the feature vector of the publisher. */
  readonly output: Map4;
}

export interface Network {
  /** For people: "ResNet50 v1.5". */
  readonly name: string;
  /** Source of the names of its layers: torchvision, Keras … */
  readonly source: string;
  /** Prefix of each name in the file. */
  readonly prefix: string;
  readonly layers: Layers;
  readonly preprocessing: Preprocessing;
  /** @throws QcError weights-… */
  build(draft: GraphDraft): Promise<Built>;
}

/** @param wanted architecture according to the user, in lower case: "resnet50-v1", "resnetblur50" … */
export type Recognise = (file: WeightFile, wanted: string | undefined) => Network | undefined;

/** (x / 255 - mean) / std of ImageNet, as in torchvision. */
export const imagenet: Preprocessing = {
  channels: 'RGB',
  scale: 1 / 255,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
};
/** Means in the order blue, green, red without a scale, as in Caffe. */
export const caffe: Preprocessing = {
  channels: 'BGR',
  scale: 1,
  mean: [103.939, 116.779, 123.68],
  std: [1, 1, 1],
};
/** -1 to 1. */
export const symmetric: Preprocessing = {
  channels: 'RGB',
  scale: 1 / 127.5,
  mean: [1, 1, 1],
  std: [1, 1, 1],
};

/** A checkpoint may contain a network several times: the averaged teacher is preferred to the student. */
const preference = [/teacher|(?:^|[._])ema(?:[._]|$)/, /^(?!.*(?:student|encoder_k|momentum))/];

/**
 * Prefixes of the given names in a file, the preferred one first. @param names must all exist
 */
export function prefixesOf(file: Iterable<string>, [first, ...others]: readonly string[]): string[] {
  const all = new Set(file);
  const rank = (prefix: string) => {
    const found = preference.findIndex((pattern) => pattern.test(prefix));
    return found < 0 ? preference.length : found;
  };
  return [...all]
    .filter((name) => name.endsWith(first!))
    .map((name) => name.slice(0, name.length - first!.length))
    .filter((prefix) => prefix === '' || /[._/]$/.test(prefix))
    .filter((prefix) => others.every((name) => all.has(`${prefix}${name}`)))
    .sort((a, b) => rank(a) - rank(b) || a.length - b.length);
}

/**
 * Names for the outputs of blocks: the last one of each stride from 4 on is stage1, stage2 …, as models/base.ts counts them; the
 * others keep the name of their block.
 * @param strides of the blocks, by which each divides its input @param start stride of the input of the first one
 */
export function namesOfOutputs(
  blocks: readonly string[],
  strides: readonly number[],
  start: number,
): string[] {
  let stride = start;
  return blocks.map((block, i) => {
    stride *= strides[i]!;
    const isLast = i === blocks.length - 1 || strides[i + 1]! > 1;
    return isLast && stride >= 4 ? `stage${Math.log2(stride) - 1}` : `${block}.out`;
  });
}
