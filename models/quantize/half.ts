/** Converts the base to float16 for GPUs and compares its features and maps with the float ones. */
import { createHash } from 'node:crypto';
import { QcError } from '../../config/errors.ts';
import type { Base } from '../base.ts';
import type { BaseManifest } from '../manifest.ts';
import { withFloatOutput } from '../onnx/adapt.ts';
import { floatTensors } from '../onnx/float-tensors.ts';
import { halfModel } from '../onnx/half.ts';
import { encodeModel, type OnnxModel } from '../onnx/proto.ts';
import { type RunOptions, withProgress } from './attempts.ts';
import { correlation } from './compare.ts';
import { checkOf } from './figures.ts';
import { type ImageReader, readFloat, withOutputs } from './float.ts';

/** The largest value, with or without its sign, that occurred in the float graph, and where. */
export interface Largest {
  readonly tensor: string;
  readonly value: number;
}

export interface Halved {
  /** The .onnx. */
  readonly model: Uint8Array;
  readonly manifest: BaseManifest;
  /** Minimum correlation of features and maps with the float ones. */
  readonly correlation: number;
  readonly largest: Largest;
  readonly images: number;
  /** Why it must not be used; undefined if it may. */
  readonly refusal: string | undefined;
}

/** Rounding only the weights gives 0.9999. */
const minCorrelation = 0.999;
/** Half of the range of float16, because other images may have larger values. */
const maxValue = 32_752;

/** @throws QcError quantize-impossible; the reason of `signal` */
export async function halveBase(
  base: Base,
  images: readonly ImageReader[],
  options: RunOptions,
): Promise<Halved> {
  const { manifest } = base;
  const float = await readFloat(base);
  let half: OnnxModel;
  try {
    half = halfModel(float.plain);
  } catch (cause) {
    throw new QcError('quantize-impossible', `${base.file}: ${(cause as Error).message}`, { cause });
  }
  const model = encodeModel(half);
  // A CPU computes float16 in float and does not overflow. The float graph shows whether a GPU would.
  const tensors = floatTensors(float.plain.graph!);
  await using exact = await float.open(withOutputs(float.plain, tensors), options.threads);
  const maps = float.maps.map(({ tensor }) => tensor);
  const inFloat = (tensor: string) => `${tensor}/float32`;
  const giving = maps.reduce((made, tensor) => withFloatOutput(made, tensor, inFloat(tensor)), half);
  await using rounded = await float.open(giving, options.threads);
  let least = 1;
  let largest: Largest = { tensor: '', value: 0 };
  for await (const { image } of withProgress(images, 'comparing features', options)) {
    const before = await exact.features(image);
    const exactly = await exact.tensors(image, tensors);
    for (const [tensor, values] of exactly) {
      const value = values.reduce((max, one) => Math.max(max, Math.abs(one)), 0);
      if (value > largest.value) largest = { tensor, value };
    }
    least = Math.min(least, correlation(before, await rounded.features(image)));
    const now = await rounded.tensors(image, maps.map(inFloat));
    for (const tensor of maps) {
      least = Math.min(least, correlation(exactly.get(tensor)!, now.get(inFloat(tensor))!));
    }
  }
  const sha256 = createHash('sha256').update(model).digest('hex');
  return {
    model,
    manifest: {
      ...manifest,
      file: `${manifest.name}.fp16-${sha256.slice(0, 8)}.onnx`,
      sha256,
      precision: 'fp16',
      variantOf: manifest.sha256,
      maps: [...float.maps],
      check: await checkOf(float, model, manifest, options),
      figures: { leastCorrelation: least, largestValue: largest.value, pictures: images.length },
    },
    correlation: least,
    largest,
    images: images.length,
    refusal: refusalOf(least, largest),
  };
}

function refusalOf(least: number, { tensor, value }: Largest): string | undefined {
  if (!(value <= maxValue)) {
    return `${tensor} reaches ${value.toPrecision(3)}, at most ${maxValue} is allowed (the maximum of float16 is 65504)`;
  }
  if (least >= minCorrelation) return undefined;
  return `its features or maps correlate ${least.toFixed(4)} with the float ones, at least ${minCorrelation} is needed`;
}
