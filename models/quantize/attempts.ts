/** Ways to quantize a base, each held against the float features of pictures that no range was chosen on. */
import { QcError } from '../../config/errors.ts';
import type { OnnxModel } from '../onnx/proto.ts';
import { Histogram } from '../onnx/quantize/histogram.ts';
import { insertQdq } from '../onnx/quantize/insert.ts';
import type { ActivationType } from '../onnx/quantize/levels.ts';
import { nameOf, type Plan, planOf } from '../onnx/quantize/plan.ts';
import { type Method, methods, type Range, rangeOf } from '../onnx/quantize/ranges.ts';
import { correlation, Noise } from './compare.ts';
import { exposing, type FloatBase, type Picture } from './float.ts';

/** One way to do it, and how like the float ones its features are. */
export interface Attempt {
  readonly method: Method;
  readonly float: ReadonlySet<string>;
  readonly plan: Plan;
  readonly ranges: ReadonlyMap<string, Range>;
  readonly model: OnnxModel;
  readonly correlation: number;
  readonly leastCorrelation: number;
  /** Share of the features' power. */
  readonly noise: number;
}

/** Pictures to find out which operators cost most, and what each tensor lost. */
export const probes = 4;

export interface Watch {
  /** CPU threads of one inference; 0 = one a core. */
  readonly threads: number;
  /** Default uint8. */
  readonly activations?: ActivationType;
  readonly onProgress: (step: string, done: number, total: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Every picture of a list with its number; says how far it is and stops when it is told to. */
export async function* each(pictures: readonly Picture[], step: string, { onProgress, signal }: Watch) {
  for (const [index, picture] of pictures.entries()) {
    signal?.throwIfAborted();
    onProgress(step, index, pictures.length);
    yield { index, image: await picture() };
  }
  onProgress(step, pictures.length, pictures.length);
}

export async function observe(float: FloatBase, plan: Plan, pictures: readonly Picture[], options: Watch) {
  const occurs = new Map(
    [...plan.tensors].filter((name) => !float.known.has(name)).map((name) => [name, new Histogram()]),
  );
  await using graph = await float.open(exposing(float.model, occurs.keys()), options.threads);
  for await (const { image } of each(pictures, 'looking at what occurs', options)) {
    const found = await graph.tensors(image, [...occurs.keys()]);
    for (const [name, histogram] of occurs) histogram.add(found.get(name)!);
  }
  return occurs;
}

export async function exactFeatures(float: FloatBase, pictures: readonly Picture[], options: Watch) {
  await using graph = await float.open(float.model, options.threads);
  const exact: Float32Array[] = [];
  for await (const { image } of each(pictures, 'features in float', options)) {
    exact.push(await graph.features(image));
  }
  return exact;
}

export async function attemptsOf(
  float: FloatBase,
  occurs: ReadonlyMap<string, Histogram>,
  kept: readonly Picture[],
  exact: readonly Float32Array[],
  { method, ...options }: Watch & { readonly method: 'best' | Method },
): Promise<Attempt[]> {
  const tried: Attempt[] = [];
  for (const one of method === 'best' ? methods : [method]) {
    tried.push(await attempt(float, occurs, one, new Set(), kept, exact, options));
  }
  return tried;
}

export async function attempt(
  float: FloatBase,
  occurs: ReadonlyMap<string, Histogram>,
  method: Method,
  inFloat: ReadonlySet<string>,
  kept: readonly Picture[],
  exact: readonly Float32Array[],
  options: Watch,
): Promise<Attempt> {
  const plan = planOf(float.model.graph!, inFloat);
  const chosen = [...occurs].map(([name, histogram]): [string, Range] => [name, rangeOf(histogram, method)]);
  const ranges = new Map([...chosen, ...float.known]);
  const model = quantized(float, plan, ranges, options);
  await using graph = await float.open(model, options.threads);
  const noise = new Noise();
  const alike: number[] = [];
  const step = inFloat.size === 0 ? `ranges by ${method}` : `${inFloat.size} operators in float`;
  for await (const { index, image } of each(kept, step, options)) {
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
  { activations }: Pick<Watch, 'activations'>,
): OnnxModel {
  try {
    return insertQdq(float.model, plan, ranges, activations);
  } catch (cause) {
    throw new QcError('quantize-impossible', (cause as Error).message, { cause });
  }
}

/** Operators by how much noise each alone puts into the features, the worst first. */
export async function bySensitivity(
  float: FloatBase,
  { plan, ranges }: Attempt,
  kept: readonly Picture[],
  exact: readonly Float32Array[],
  options: Watch,
): Promise<string[]> {
  const operators = [...plan.operators];
  const found: { readonly operator: string; readonly noise: number }[] = [];
  for (const [index, operator] of operators.entries()) {
    options.signal?.throwIfAborted();
    options.onProgress('which operators are sensitive', index, operators.length);
    const others = new Set(operators.filter((one) => one !== operator));
    const alone = planOf(float.model.graph!, others);
    // Pooling takes part only beside another operator.
    if (alone.operators.size === 0) continue;
    await using graph = await float.open(quantized(float, alone, ranges, options), options.threads);
    const noise = new Noise();
    for (const [i, picture] of kept.slice(0, probes).entries()) {
      noise.add(exact[i]!, await graph.features(await picture()));
    }
    found.push({ operator, noise: noise.share });
  }
  options.onProgress('which operators are sensitive', operators.length, operators.length);
  return found.sort((a, b) => b.noise - a.noise).map(({ operator }) => operator);
}

/** The operators in 8 bits whose results an operator reads. */
export function makersOf(float: FloatBase, plan: Plan, operator: string): string[] {
  const one = float.model.graph!.node.find((node) => nameOf(node) === operator);
  return one?.input.flatMap((name) => plan.results.get(name) ?? []) ?? [];
}
