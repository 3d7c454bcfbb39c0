/** Quantizes a base with several methods and compares each with the float features of held-out images. */
import { QcError } from '../../config/errors.ts';
import type { OnnxModel } from '../onnx/proto.ts';
import { Histogram } from '../onnx/quantize/histogram.ts';
import { insertQdq } from '../onnx/quantize/insert.ts';
import type { ActivationType } from '../onnx/quantize/levels.ts';
import { nameOf, type Plan, planOf } from '../onnx/quantize/plan.ts';
import { type Method, methods, type Range, rangeOf } from '../onnx/quantize/ranges.ts';
import { correlation, Noise } from './compare.ts';
import { type FloatBase, type ImageReader, withOutputs } from './float.ts';

/** One quantized model and the similarity of its features to the float ones. */
export interface Attempt {
  readonly method: Method;
  readonly float: ReadonlySet<string>;
  readonly plan: Plan;
  readonly ranges: ReadonlyMap<string, Range>;
  readonly model: OnnxModel;
  readonly correlation: number;
  readonly leastCorrelation: number;
  /** Noise power relative to the power of the features. */
  readonly noise: number;
}

/** Number of images used to measure the sensitivity of operators and the loss of each tensor. */
export const probeCount = 4;

export interface RunOptions {
  /** CPU threads of one inference; 0 = one per core. */
  readonly threads: number;
  /** Default uint8. */
  readonly activations?: ActivationType;
  readonly onProgress: (step: string, done: number, total: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Iterates over images with progress and cancellation. */
export async function* withProgress(
  images: readonly ImageReader[],
  step: string,
  { onProgress, signal }: RunOptions,
) {
  for (const [index, read] of images.entries()) {
    signal?.throwIfAborted();
    onProgress(step, index, images.length);
    yield { index, image: await read() };
  }
  onProgress(step, images.length, images.length);
}

export async function observe(
  float: FloatBase,
  plan: Plan,
  images: readonly ImageReader[],
  options: RunOptions,
) {
  const occurs = new Map(
    [...plan.tensors].filter((name) => !float.known.has(name)).map((name) => [name, new Histogram()]),
  );
  await using graph = await float.open(withOutputs(float.model, occurs.keys()), options.threads);
  for await (const { image } of withProgress(images, 'recording activations', options)) {
    const found = await graph.tensors(image, [...occurs.keys()]);
    for (const [name, histogram] of occurs) histogram.add(found.get(name)!);
  }
  return occurs;
}

export async function exactFeatures(float: FloatBase, images: readonly ImageReader[], options: RunOptions) {
  await using graph = await float.open(float.model, options.threads);
  const exact: Float32Array[] = [];
  for await (const { image } of withProgress(images, 'computing float features', options)) {
    exact.push(await graph.features(image));
  }
  return exact;
}

export async function attemptsOf(
  float: FloatBase,
  occurs: ReadonlyMap<string, Histogram>,
  kept: readonly ImageReader[],
  exact: readonly Float32Array[],
  { method, ...options }: RunOptions & { readonly method: 'best' | Method },
): Promise<Attempt[]> {
  const attempts: Attempt[] = [];
  for (const one of method === 'best' ? methods : [method]) {
    attempts.push(await attempt(float, occurs, one, new Set(), kept, exact, options));
  }
  return attempts;
}

export async function attempt(
  float: FloatBase,
  occurs: ReadonlyMap<string, Histogram>,
  method: Method,
  inFloat: ReadonlySet<string>,
  kept: readonly ImageReader[],
  exact: readonly Float32Array[],
  options: RunOptions,
): Promise<Attempt> {
  const plan = planOf(float.model.graph!, inFloat);
  const chosen = [...occurs].map(([name, histogram]): [string, Range] => [name, rangeOf(histogram, method)]);
  const ranges = new Map([...chosen, ...float.known]);
  const model = quantized(float, plan, ranges, options);
  await using graph = await float.open(model, options.threads);
  const noise = new Noise();
  const alike: number[] = [];
  const step =
    inFloat.size === 0 ? `testing ranges by ${method}` : `testing ${inFloat.size} operators in float`;
  for await (const { index, image } of withProgress(kept, step, options)) {
    const features = await graph.features(image);
    noise.add(exact[index]!, features);
    alike.push(correlation(exact[index]!, features));
  }
  return {
    method,
    float: inFloat,
    plan,
    ranges,
    model,
    noise: noise.share,
    correlation: alike.reduce((sum, value) => sum + value, 0) / alike.length,
    leastCorrelation: Math.min(...alike),
  };
}

function quantized(
  float: FloatBase,
  plan: Plan,
  ranges: ReadonlyMap<string, Range>,
  { activations }: Pick<RunOptions, 'activations'>,
): OnnxModel {
  try {
    return insertQdq(float.model, plan, ranges, activations);
  } catch (cause) {
    throw new QcError('quantize-impossible', (cause as Error).message, { cause });
  }
}

/** Operators ordered by the noise that each alone adds to the features, the highest first. */
export async function bySensitivity(
  float: FloatBase,
  { plan, ranges }: Attempt,
  kept: readonly ImageReader[],
  exact: readonly Float32Array[],
  options: RunOptions,
): Promise<string[]> {
  const operators = [...plan.operators];
  const found: { readonly operator: string; readonly noise: number }[] = [];
  for (const [index, operator] of operators.entries()) {
    options.signal?.throwIfAborted();
    options.onProgress('measuring the sensitivity of operators', index, operators.length);
    const others = new Set(operators.filter((one) => one !== operator));
    const alone = planOf(float.model.graph!, others);
    // Pooling is only quantized together with another operator.
    if (alone.operators.size === 0) continue;
    await using graph = await float.open(quantized(float, alone, ranges, options), options.threads);
    const noise = new Noise();
    for (const [i, read] of kept.slice(0, probeCount).entries()) {
      noise.add(exact[i]!, await graph.features(await read()));
    }
    found.push({ operator, noise: noise.share });
  }
  options.onProgress('measuring the sensitivity of operators', operators.length, operators.length);
  return found.sort((a, b) => b.noise - a.noise).map(({ operator }) => operator);
}

/** The int8 operators whose results an operator reads. */
export function producersOf(float: FloatBase, plan: Plan, operator: string): string[] {
  const one = float.model.graph!.node.find((node) => nameOf(node) === operator);
  return one?.input.flatMap((name) => plan.results.get(name) ?? []) ?? [];
}
