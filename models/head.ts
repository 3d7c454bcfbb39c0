/**
 * The head: features → class probabilities, and how familiar the part is. On disk it is plain ONNX: `features` [N,D] →
 * `probabilities` [N,K] and, where it knows its examples, `familiarity` [N].
 */
import { QcError } from '../config/errors.ts';
import type { BaseManifest, HeadManifest } from './manifest.ts';
import { buildModel, floatTensor, floatValues, node, tensorDims, valueInfo } from './onnx/build.ts';
import { describe, graphInputs, graphOutputs, type TensorFacts } from './onnx/graph.ts';
import { decodeModel, encodeModel, type OnnxModel, type OnnxTensor } from './onnx/proto.ts';

/** softmax((W·h + b) / temperature) with h = t(x), or relu(V·t(x) + c) where there is a hidden layer; any standardisation is folded in. */
export interface HeadWeights {
  /**
   * What is done to the features first. `hellinger`: t(x) = sign(x)·√(|x| / Σ|x|), which keeps a few strong features
   * from deciding alone (Arandjelović and Zisserman, "Three things everyone should know", CVPR 2012). Default: nothing.
   */
  readonly transform?: 'hellinger' | undefined;
  readonly labels: readonly string[];
  /** [H,D] and [H]: V and c of the hidden layer; undefined: none. */
  readonly hidden?:
    | { readonly weights: Float64Array | Float32Array; readonly bias: Float64Array | Float32Array }
    | undefined;
  /** [K,D], or [K,H] behind a hidden layer, row-major: one row of weights per label. */
  readonly weights: Float64Array | Float32Array;
  readonly bias: Float64Array | Float32Array;
  readonly temperature: number;
  /**
   * [M][D] labelled parts, transformed and of length 1: familiarity is the cosine with the nearest of them (Sun, Ming, Zhu, Li,
   * "Out-of-distribution detection with deep nearest neighbors", ICML 2022). Only with `hellinger`, whose t(x) has length 1.
   */
  readonly exemplars?: readonly Float32Array[] | undefined;
}

/** The bytes of head.onnx: Gemm and Softmax, the temperature folded into the weights. */
export function encodeHead(head: HeadWeights): Uint8Array {
  const { transform, labels, hidden, weights, bias, temperature, exemplars = [] } = head;
  const knows = transform === 'hellinger' && exemplars.length > 0;
  const classes = labels.length;
  const inner = weights.length / classes;
  const size = hidden ? hidden.weights.length / inner : inner;
  const input = transform ? 'transformed' : 'features';
  const scaled = (values: Float64Array | Float32Array) =>
    Float32Array.from(values, (value) => value / temperature);
  return encodeModel(
    buildModel({
      name: 'head',
      node: [
        ...(transform ? hellingerNodes : []),
        ...(hidden ? hiddenNodes(input) : []),
        node('Gemm', [hidden ? 'active' : input, 'weights', 'bias'], ['scores'], { transB: 1 }),
        node('Softmax', ['scores'], ['probabilities'], { axis: 1 }),
        ...(knows ? familiarityNodes : []),
      ],
      initializer: [
        floatTensor('weights', [classes, inner], scaled(weights)),
        floatTensor('bias', [classes], scaled(bias)),
        ...(hidden
          ? [
              floatTensor('hidden_weights', [inner, size], Float32Array.from(hidden.weights)),
              floatTensor('hidden_bias', [inner], Float32Array.from(hidden.bias)),
            ]
          : []),
        ...(transform ? [floatTensor('least', [1], Float32Array.of(leastSum))] : []),
        ...(knows ? [floatTensor('exemplars', [exemplars.length, size], joined(exemplars, size))] : []),
      ],
      input: [valueInfo('features', ['N', size])],
      output: [
        valueInfo('probabilities', ['N', classes]),
        ...(knows ? [valueInfo('familiarity', ['N'])] : []),
      ],
      metadata: { labels: JSON.stringify(labels) },
    }),
  );
}

/** A picture without any feature has no direction: its sum is taken for this. */
const leastSum = 1e-12;
const hellingerNodes = [
  node('Abs', ['features'], ['sizes']),
  node('ReduceL1', ['features'], ['sum'], { axes: [1], keepdims: 1 }),
  node('Max', ['sum', 'least'], ['divisor']),
  node('Div', ['sizes', 'divisor'], ['portions']),
  node('Sqrt', ['portions'], ['roots']),
  node('Sign', ['features'], ['signs']),
  node('Mul', ['roots', 'signs'], ['transformed']),
];

const hiddenNodes = (input: string) => [
  node('Gemm', [input, 'hidden_weights', 'hidden_bias'], ['inner'], { transB: 1 }),
  node('Relu', ['inner'], ['active']),
];
const familiarityNodes = [
  node('Gemm', ['transformed', 'exemplars'], ['cosines'], { transB: 1 }),
  node('ReduceMax', ['cosines'], ['familiarity'], { axes: [1], keepdims: 0 }),
];

function joined(rows: readonly Float32Array[], size: number): Float32Array {
  const values = new Float32Array(rows.length * size);
  rows.forEach((row, i) => {
    values.set(row, i * size);
  });
  return values;
}

/** t(x) of `hellinger`, [D]; a new array. */
export function hellinger(features: Float32Array): Float32Array {
  const sum = Math.max(
    leastSum,
    features.reduce((total, value) => total + Math.abs(value), 0),
  );
  return features.map((value) => Math.sign(value) * Math.sqrt(Math.abs(value) / sum));
}

/** The weights in a head.onnx that `encodeHead` wrote; undefined for any other graph. Throws where it is no ONNX. */
export function decodeHead(bytes: Uint8Array, labels: readonly string[]): HeadWeights | undefined {
  const graph = decodeModel(bytes).graph;
  const named = (name: string) => graph?.initializer.find((tensor) => tensor.name === name);
  const [weights, bias] = [named('weights'), named('bias')];
  const [hiddenWeights, hiddenBias] = [named('hidden_weights'), named('hidden_bias')];
  const exemplars = named('exemplars');
  const operators = graph?.node.map(({ opType }) => opType).join() ?? '';
  const types = (nodes: readonly { readonly opType?: string | undefined }[]) =>
    nodes.map(({ opType }) => opType);
  // What stands before and behind Gemm and Softmax says what the head does; anything else is not ours.
  const before = operators.startsWith('Abs') ? types(hellingerNodes) : [];
  const layers = hiddenWeights ? types(hiddenNodes('')) : [];
  const behind = operators.endsWith('ReduceMax') ? types(familiarityNodes) : [];
  const known = [...before, ...layers, 'Gemm', 'Softmax', ...behind].join();
  if (!weights || !bias || (hiddenWeights && !hiddenBias) || operators !== known) return undefined;
  return {
    transform: before.length > 0 ? 'hellinger' : undefined,
    labels,
    ...(hiddenWeights &&
      hiddenBias && { hidden: { weights: floatValues(hiddenWeights), bias: floatValues(hiddenBias) } }),
    weights: floatValues(weights),
    bias: floatValues(bias),
    temperature: 1,
    ...(behind.length > 0 && exemplars && { exemplars: rowsOf(exemplars) }),
  };
}

function rowsOf(tensor: OnnxTensor): Float32Array[] {
  const values = floatValues(tensor);
  const [count = 0, size = 0] = tensorDims(tensor);
  return Array.from({ length: count }, (_, i) => values.subarray(i * size, (i + 1) * size));
}

/** What head.onnx answers for raw features, label by label, computed here. */
export function probabilitiesOf(head: HeadWeights, features: Float32Array): number[] {
  const x = head.transform ? hellinger(features) : features;
  const h = head.hidden ? product(head.hidden, x).map((value) => Math.max(0, value)) : x;
  return softmax(product(head, h), head.temperature);
}

/** W·x + b, one value for each row of W. */
function product({ weights, bias }: Pick<HeadWeights, 'weights' | 'bias'>, x: ArrayLike<number>): number[] {
  return Array.from(bias, (constant, row) => {
    let sum = constant;
    for (let d = 0; d < x.length; d++) sum += weights[row * x.length + d]! * x[d]!;
    return sum;
  });
}

/**
 * Class-activation map (Zhou et al., "Learning deep features for discriminative localization", CVPR 2016): what each place
 * adds to the score of a label against the mean of all labels, [H·W]. Exact for a linear head: with x the average of the map
 * over all places, hellinger's √(x/Σ) is x / √(x·Σ), linear in the map once x is known, so that the places sum to the score
 * without its bias. Behind a hidden layer the units that are active at x count, as they do there.
 * @param map [D,H,W], before pooling; its average are the features
 */
export function activationMap(
  head: HeadWeights,
  map: Float32Array,
  places: number,
  label: string,
): Float32Array {
  const size = map.length / places;
  const features = averageOf(map, places);
  const sum = Math.max(
    leastSum,
    features.reduce((total, value) => total + Math.abs(value), 0),
  );
  const slope = slopeOf(head, features, label);
  const heat = new Float32Array(places);
  for (let d = 0; d < size; d++) {
    const root = Math.sqrt(Math.abs(features[d]!) * sum);
    const share = head.transform ? (root > leastSum ? 1 / root : 0) : 1;
    for (let p = 0; p < places; p++) heat[p]! += (slope[d]! * share * map[d * places + p]!) / places;
  }
  return heat;
}

/** [D,H,W] → [D], the average over all places. */
export function averageOf(map: Float32Array, places: number): Float32Array {
  return Float32Array.from({ length: map.length / places }, (_, d) => {
    let sum = 0;
    for (let p = 0; p < places; p++) sum += map[d * places + p]!;
    return sum / places;
  });
}

/** [D], how the score of a label against the mean of all grows with each transformed feature, at these features. */
function slopeOf(head: HeadWeights, features: Float32Array, label: string): Float64Array {
  const { hidden, weights, labels, temperature } = head;
  const chosen = labels.indexOf(label);
  const width = weights.length / labels.length;
  const slope = Float64Array.from({ length: width }, (_, d) => {
    let mean = 0;
    for (let k = 0; k < labels.length; k++) mean += weights[k * width + d]! / labels.length;
    return (weights[chosen * width + d]! - mean) / temperature;
  });
  if (!hidden) return slope;
  const x = head.transform ? hellinger(features) : features;
  const through = new Float64Array(x.length);
  product(hidden, x).forEach((value, unit) => {
    if (value <= 0) return;
    for (let d = 0; d < x.length; d++) through[d]! += slope[unit]! * hidden.weights[unit * x.length + d]!;
  });
  return through;
}

/** Scores over temperature → probabilities that sum to 1. */
export function softmax(scores: readonly number[], temperature: number): number[] {
  const top = Math.max(...scores);
  const powers = scores.map((score) => Math.exp((score - top) / temperature));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

/** Refuses a head that was made for another base (`head-base-mismatch`). */
export function requireSameBase({ version, base: made }: HeadManifest, base: BaseManifest): void {
  const known = [base.sha256, base.variantOf];
  if (!known.includes(made.sha256)) {
    throw new QcError(
      'head-base-mismatch',
      `head ${version} was trained on the base ${made.name} (${made.sha256.slice(0, 12)}…), ` +
        `the base in use is ${base.name} (${base.sha256.slice(0, 12)}…)`,
    );
  }
  if (made.features !== base.features.tensor) {
    throw new QcError(
      'head-base-mismatch',
      `head ${version} was trained on the tensor ${made.features}, the base gives ${base.features.tensor}`,
    );
  }
}

/** Refuses a head.onnx whose inputs, outputs or labels are not what its manifest says (`head-damaged`). */
export function requireHeadGraph(bytes: Uint8Array, manifest: HeadManifest, size: number): void {
  const damaged = (found: string) => new QcError('head-damaged', `head ${manifest.version}: ${found}`);
  let model: OnnxModel;
  try {
    model = decodeModel(bytes);
  } catch (error) {
    throw damaged(`not a whole ONNX file: ${(error as Error).message}`);
  }
  if (!model.graph) throw damaged('not a whole ONNX file: it has no graph');
  const inputs = graphInputs(model.graph);
  const outputs = graphOutputs(model.graph);
  if (!isTable(inputs, size)) {
    throw damaged(`its inputs are ${describe(inputs)}, the base gives [N,${size}] float32`);
  }
  const { labels } = manifest;
  const [probabilities, familiarity, ...more] = outputs;
  const isKnown =
    familiarity === undefined || (familiarity.name === 'familiarity' && familiarity.shape?.length === 1);
  if (!isTable(probabilities ? [probabilities] : [], labels.length) || !isKnown || more.length > 0) {
    throw damaged(`its outputs are ${describe(outputs)} for ${labels.length} labels`);
  }
  if (manifest.familiar !== undefined && !familiarity) {
    throw damaged('its manifest has a limit for familiarity, the graph does not tell it');
  }
  const named = model.metadataProps.find(({ key }) => key === 'labels')?.value;
  if (named !== undefined && named !== JSON.stringify(labels)) {
    throw damaged(`its labels are ${named}, its manifest says ${JSON.stringify(labels)}`);
  }
}

/** One float32 tensor of rows with `columns` values. */
function isTable([only, ...others]: TensorFacts[], columns: number): boolean {
  return (
    others.length === 0 && only?.type === 'float32' && only.shape?.length === 2 && only.shape[1] === columns
  );
}
