/**
 * The head: features → class probabilities and familiarity. On disk it is plain ONNX: `features` [N,D] → `probabilities` [N,K]
 * and, if it contains labelled examples, `familiarity` [N]. A head that was trained with locations of defects also has
 * `where` [N,H,W]: the deviation of each cell from ordinary cells, in their standard deviations (where.ts turns it into
 * boxes).
 *
 * A head with localized features also takes feature maps of the base, or only those: `stage2` [N,C,H/8,W/8] and
 * `stage3` [N,C,H/16,W/16], float32, in the same graph. Inputs are identified by these names; an input with any other name
 * receives the pooled features. The worker feeds the head views of the base's output for the same image, one image per run,
 * and computes maps only while such a head is loaded (run/mapped.ts). Heads trained here take both maps or none (cells.ts).
 */
import { QcError } from '../config/errors.ts';
import { isMapName, type MapShape, mapShapes, type ProvedBase } from './base.ts';
import { attended, type CellBlock, cellsOfMaps, type Detector, deviationsOf, windowed } from './cells.ts';
import {
  distanceGraph,
  readDistance,
  rowsOfTensor,
  rowsTensor,
  type WhitenedDistance,
} from './familiarity.ts';
import type { BaseManifest, HeadManifest } from './manifest.ts';
import { buildModel, floatTensor, floatValues, node, valueInfo } from './onnx/build.ts';
import { type CellGraph, cellGraph, readCellBlock } from './onnx/cell-graph.ts';
import { describe, graphInputs, graphOutputs, type TensorFacts } from './onnx/graph.ts';
import { familiarityOfLabels, type GoodParts, goodPartsGraph, readGoodParts } from './onnx/memory-graph.ts';
import { decodeModel, encodeModel, type OnnxModel } from './onnx/proto.ts';
import { readWhere, whereGraph, whereName } from './onnx/where-graph.ts';
import { withoutMaps } from './onnx/without-maps.ts';
import type { FeatureMaps } from './run/runner.ts';

/**
 * softmax((W·h + b) / temperature), limited by `doubt`, with h = t(x), or relu(V·t(x) + c) with a hidden layer; standardisation is folded
 * into the weights.
 */
export interface HeadWeights {
  /**
   * Transform of the input features, t(x). `hellinger`: t(x) = sign(x)·√(|x| / Σ|x|), which limits the influence of
   * a few strong features (Arandjelović and Zisserman, "Three things everyone should know", CVPR 2012). Default: identity.
   */
  readonly transform?: 'hellinger' | undefined;
  readonly labels: readonly string[];
  /** [H,D] and [H]: V and c of the hidden layer; undefined: none. */
  readonly hidden?:
    | { readonly weights: Float64Array | Float32Array; readonly bias: Float64Array | Float32Array }
    | undefined;
  /** Localized features: C values appended to t(x). Only with `hellinger` and without a hidden layer. */
  readonly cells?: CellBlock | undefined;
  /** Locates defects; the probabilities do not depend on it. */
  readonly where?: Detector | undefined;
  /** [K,D], [K,D+C] with cells, or [K,H] after a hidden layer, row-major: one row of weights per label. */
  readonly weights: Float64Array | Float32Array;
  readonly bias: Float64Array | Float32Array;
  readonly temperature: number;
  /** Probability of all other labels together that remains however clear the scores are; default 0. */
  readonly doubt?: number | undefined;
  /**
   * [M][D] labelled parts, transformed, unit length. Only with `hellinger`, whose t(x) has unit length. Without `distance`,
   * familiarity is the cosine similarity to the nearest neighbour among them (Sun, Ming, Zhu, Li, "Out-of-distribution detection with deep nearest
   * neighbors", ICML 2022).
   */
  readonly exemplars?: readonly Float32Array[] | undefined;
  /** Out-of-distribution score that familiarity is computed from. */
  readonly distance?: WhitenedDistance | undefined;
  /** Limits the familiarity of parts that the head calls good. Only with `distance`. */
  readonly goodParts?: GoodParts | undefined;
}

/** The bytes of head.onnx: Gemm and Softmax, with the temperature folded into the weights. */
export function encodeHead(head: HeadWeights): Uint8Array {
  const { transform, labels, hidden, cells, where, weights, bias, temperature, exemplars = [] } = head;
  const doubt = doubtGraph(head);
  const hasFamiliarity = transform === 'hellinger' && exemplars.length > 0;
  const familiarity = familiarityGraph(head);
  const hasMaps = cells !== undefined || where !== undefined;
  const classes = labels.length;
  const inner = weights.length / classes;
  const size = hidden ? hidden.weights.length / inner : inner - (cells?.mean.length ?? 0);
  const features = transform ? 'transformed' : 'features';
  const input = cells ? 'evidence_and_features' : features;
  const localized = cells ? cellGraph(cells) : nothing;
  const located = where ? whereGraph(where, cells) : nothing;
  const scaled = (values: Float64Array | Float32Array) =>
    Float32Array.from(values, (value) => value / temperature);
  return encodeModel(
    buildModel({
      name: 'head',
      node: [
        ...(transform ? hellingerNodes : []),
        ...localized.node,
        ...(cells ? [joinNode] : []),
        ...located.node,
        ...(hidden ? hiddenNodes(input) : []),
        node('Gemm', [hidden ? 'active' : input, 'weights', 'bias'], ['scores'], { transB: 1 }),
        node('Softmax', ['scores'], [doubt.input], { axis: 1 }),
        ...doubt.node,
        ...(hasFamiliarity ? familiarity.node : []),
      ],
      initializer: [
        floatTensor('weights', [classes, inner], scaled(weights)),
        floatTensor('bias', [classes], scaled(bias)),
        ...doubt.initializer,
        ...(hidden
          ? [
              floatTensor('hidden_weights', [inner, size], Float32Array.from(hidden.weights)),
              floatTensor('hidden_bias', [inner], Float32Array.from(hidden.bias)),
            ]
          : []),
        ...(transform ? [floatTensor('least', [1], Float32Array.of(minSum))] : []),
        ...(hasFamiliarity ? [rowsTensor('exemplars', exemplars), ...familiarity.initializer] : []),
        ...localized.initializer,
        ...located.initializer,
      ],
      input: [
        valueInfo('features', ['N', size]),
        ...localized.input,
        ...located.input,
        ...(hasMaps ? [] : familiarity.input),
      ],
      output: [
        valueInfo('probabilities', ['N', classes]),
        ...(hasFamiliarity ? [valueInfo('familiarity', ['N'])] : []),
        ...(where ? [valueInfo(whereName, ['N', where.maps.stage3.height, where.maps.stage3.width])] : []),
      ],
      metadata: { labels: JSON.stringify(labels), ...localized.metadata, ...located.metadata },
    }),
  );
}

/** `probabilities` from the softmax: none reaches more than 1 - `doubt`, and they still sum to 1. */
function doubtGraph({ labels, doubt = 0 }: Pick<HeadWeights, 'labels' | 'doubt'>) {
  if (doubt === 0) return { input: 'probabilities', node: [], initializer: [] };
  const { certainty, floor } = limitsOf(doubt, labels.length);
  return {
    input: 'softmax',
    node: doubtNodes,
    initializer: [
      floatTensor('certainty', [1], Float32Array.of(certainty)),
      floatTensor('floor', [1], Float32Array.of(floor)),
    ],
  };
}

const doubtNodes = [
  node('Mul', ['softmax', 'certainty'], ['certain']),
  node('Add', ['certain', 'floor'], ['probabilities']),
];

/** `floor` is the minimum probability of a label, `certainty` what the labels share beyond it. */
function limitsOf(doubt: number, classes: number) {
  const floor = doubt / (classes - 1);
  return { floor, certainty: 1 - classes * floor };
}

/** `familiarity` [N] from `transformed` and, with a memory of good parts, from the maps and `probabilities`. */
function familiarityGraph({ distance, goodParts }: Pick<HeadWeights, 'distance' | 'goodParts'>) {
  if (!distance) return { node: cosineNodes, initializer: [], input: [] };
  if (!goodParts) return { ...distanceGraph(distance), input: [] };
  const ofLabels = distanceGraph(distance, familiarityOfLabels);
  const ofGood = goodPartsGraph(goodParts);
  return {
    node: [...ofLabels.node, ...ofGood.node],
    initializer: [...ofLabels.initializer, ...ofGood.initializer],
    input: ofGood.input,
  };
}

const nothing: CellGraph = { node: [], initializer: [], input: [], metadata: {} };

/** Lower limit of the sum that features are divided by, so that all-zero features do not divide by zero. */
export const minSum = 1e-12;
const hellingerNodes = [
  node('Abs', ['features'], ['sizes']),
  node('ReduceL1', ['features'], ['sum'], { axes: [1], keepdims: 1 }),
  node('Max', ['sum', 'least'], ['divisor']),
  node('Div', ['sizes', 'divisor'], ['portions']),
  node('Sqrt', ['portions'], ['roots']),
  node('Sign', ['features'], ['signs']),
  node('Mul', ['roots', 'signs'], ['transformed']),
];

const joinNode = node('Concat', ['transformed', 'seen'], ['evidence_and_features'], { axis: 1 });

const hiddenNodes = (input: string) => [
  node('Gemm', [input, 'hidden_weights', 'hidden_bias'], ['inner'], { transB: 1 }),
  node('Relu', ['inner'], ['active']),
];
const cosineNodes = [
  node('Gemm', ['transformed', 'exemplars'], ['cosines'], { transB: 1 }),
  node('ReduceMax', ['cosines'], ['familiarity'], { axes: [1], keepdims: 0 }),
];

/** t(x) of `hellinger`, [D]; a new array. */
export function hellinger(features: Float32Array): Float32Array {
  const sum = Math.max(
    minSum,
    features.reduce((total, value) => total + Math.abs(value), 0),
  );
  return features.map((value) => Math.sign(value) * Math.sqrt(Math.abs(value) / sum));
}

/** The weights in a head.onnx that `encodeHead` wrote; undefined for any other graph. Throws if the bytes are not ONNX. */
export function decodeHead(bytes: Uint8Array, labels: readonly string[]): HeadWeights | undefined {
  const model = decodeModel(bytes);
  const { graph } = model;
  const named = (name: string) => graph?.initializer.find((tensor) => tensor.name === name);
  const [weights, bias] = [named('weights'), named('bias')];
  const [hiddenWeights, hiddenBias] = [named('hidden_weights'), named('hidden_bias')];
  const exemplars = named('exemplars');
  const operators = graph?.node.map(({ opType }) => opType).join() ?? '';
  const types = (nodes: readonly { readonly opType?: string | undefined }[]) =>
    nodes.map(({ opType }) => opType);
  // The operators before and after Gemm and Softmax identify the kind of head; any other sequence was not written by `encodeHead`.
  const before = operators.startsWith('Abs') ? types(hellingerNodes) : [];
  const cells = readCellBlock(model);
  const localized = cells ? types([...cellGraph(cells).node, joinNode]) : [];
  const where = readWhere(model, cells);
  const located = where ? types(whereGraph(where, cells).node) : [];
  const layers = hiddenWeights ? types(hiddenNodes('')) : [];
  const distance = readDistance(named);
  const goodParts = distance && readGoodParts(model);
  const after = exemplars ? types(familiarityGraph({ distance, goodParts }).node) : [];
  const floor = named('floor');
  const doubt = floor && floatValues(floor)[0]! * (labels.length - 1);
  const limited = doubt === undefined ? [] : types(doubtNodes);
  const known = [
    ...before,
    ...localized,
    ...located,
    ...layers,
    'Gemm',
    'Softmax',
    ...limited,
    ...after,
  ].join();
  if (!weights || !bias || (hiddenWeights && !hiddenBias) || operators !== known) return undefined;
  return {
    transform: before.length > 0 ? 'hellinger' : undefined,
    labels,
    ...(hiddenWeights &&
      hiddenBias && { hidden: { weights: floatValues(hiddenWeights), bias: floatValues(hiddenBias) } }),
    ...(cells && { cells }),
    ...(where && { where }),
    weights: floatValues(weights),
    bias: floatValues(bias),
    temperature: 1,
    ...(doubt !== undefined && { doubt }),
    ...(after.length > 0 && exemplars && { exemplars: rowsOfTensor(exemplars) }),
    ...(distance && { distance }),
    ...(goodParts && { goodParts }),
  };
}

/**
 * The output of head.onnx for raw features, one probability per label, computed in JavaScript.
 * @param maps of the same image; without them the localized features are those of an average part
 */
export function probabilitiesOf(head: HeadWeights, features: Float32Array, maps?: FeatureMaps): number[] {
  const global = head.transform ? hellinger(features) : features;
  const x = head.cells ? Float32Array.of(...global, ...localizedFeatures(head.cells, maps)) : global;
  const h = head.hidden ? product(head.hidden, x).map((value) => Math.max(0, value)) : x;
  return probabilitiesFrom(product(head, h), head);
}

/** The output `where` of head.onnx, [height·width] of stage 3, computed here; undefined if the head has none. */
export function whereOf({ where }: HeadWeights, maps: FeatureMaps): Float32Array | undefined {
  return where && deviationsOf(windowed(cellsOfMaps(maps), where.window), where);
}

/** The features that a block appends, [C]: transformed, minus the mean of ordinary parts. */
function localizedFeatures(block: CellBlock, maps: FeatureMaps | undefined): Float32Array {
  if (!maps) return new Float32Array(block.mean.length);
  const seen = attended(windowed(cellsOfMaps(maps), block.window), block.look);
  return hellinger(seen).map((value, c) => value - block.mean[c]!);
}

/** W·x + b, one value for each row of W. */
export function product(
  { weights, bias }: Pick<HeadWeights, 'weights' | 'bias'>,
  x: ArrayLike<number>,
): number[] {
  return Array.from(bias, (constant, row) => {
    let sum = constant;
    for (let d = 0; d < x.length; d++) sum += weights[row * x.length + d]! * x[d]!;
    return sum;
  });
}

/** Scores, one for each label → probabilities that sum to 1. */
export function probabilitiesFrom(
  scores: readonly number[],
  { temperature, doubt = 0 }: Pick<HeadWeights, 'temperature' | 'doubt'>,
): number[] {
  const shares = softmax(scores, temperature);
  if (doubt === 0) return shares;
  const { certainty, floor } = limitsOf(doubt, scores.length);
  return shares.map((share) => certainty * share + floor);
}

/** Scores divided by the temperature → probabilities that sum to 1. */
function softmax(scores: readonly number[], temperature: number): number[] {
  const top = Math.max(...scores);
  const powers = scores.map((score) => Math.exp((score - top) / temperature));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

/** Refuses a head that was trained on another base (`head-base-mismatch`). */
export function requireSameBase(manifest: HeadManifest, base: BaseManifest): void {
  const misfit = misfitOf(manifest, base);
  if (misfit) throw misfit;
}

/** Why a head cannot be used with this base (`head-base-mismatch`); undefined if it can. */
export function misfitOf({ version, base: made }: HeadManifest, base: BaseManifest): QcError | undefined {
  const known = [base.sha256, base.variantOf];
  if (!known.includes(made.sha256)) {
    return new QcError(
      'head-base-mismatch',
      `model version ${version} was trained on the base ${made.name} (${made.sha256.slice(0, 12)}…), ` +
        `the base in use is ${base.name} (${base.sha256.slice(0, 12)}…)`,
    );
  }
  if (made.features === base.features.tensor) return undefined;
  return new QcError(
    'head-base-mismatch',
    `model version ${version} was trained on the tensor ${made.features}, the base outputs ${base.features.tensor}`,
  );
}

/** The inputs that a base offers to a head. */
export interface HeadInputs {
  /** Number of features. */
  readonly size: number;
  readonly maps: readonly MapShape[];
}

/** The inputs that a verified base offers to heads. */
export const headInputs = (base: Pick<ProvedBase, 'manifest' | 'maps'>): HeadInputs => ({
  size: base.manifest.features.size,
  maps: mapShapes(base),
});

/**
 * Refuses a head.onnx whose inputs, outputs or labels differ from its manifest (`head-damaged`), or that needs maps which the
 * base does not have (`maps-unavailable`).
 */
export function requireHeadGraph(bytes: Uint8Array, manifest: HeadManifest, given: HeadInputs): void {
  const damaged = (found: string) =>
    new QcError('head-damaged', `model version ${manifest.version}: ${found}`);
  let model: OnnxModel;
  try {
    model = decodeModel(bytes);
  } catch (error) {
    throw damaged(`not a complete ONNX file: ${(error as Error).message}`);
  }
  if (!model.graph) throw damaged('not a complete ONNX file: it has no graph');
  const outputs = graphOutputs(model.graph);
  const isAbsent = ({ name }: TensorFacts) => isMapName(name) && !given.maps.some((map) => map.name === name);
  let inputs = graphInputs(model.graph);
  // Without maps, a head whose probabilities do not need them is run without the outputs that do (onnx/without-maps.ts).
  if (inputs.some(isAbsent)) inputs = graphInputs(withoutMaps(model).graph!);
  const absent = inputs.find(isAbsent);
  if (absent) {
    throw new QcError(
      'maps-unavailable',
      `model version ${manifest.version} needs the map ${absent.name}, which the base does not have`,
    );
  }
  if (!areHeadInputs(inputs, given)) {
    const maps = given.maps.map(
      ({ name, channels, height, width }) => `${name} [N,${channels},${height},${width}]`,
    );
    const offered = [`[N,${given.size}]`, ...maps].join(', ');
    throw damaged(`its inputs are ${describe(inputs)}, the base provides ${offered} float32`);
  }
  const { labels } = manifest;
  const [probabilities, ...others] = outputs;
  const isKnown = others.every(
    ({ name, type, shape }) => type === 'float32' && shape?.length === rankOf[name],
  );
  const isRepeated = new Set(others.map(({ name }) => name)).size < others.length;
  if (!isTable(probabilities ? [probabilities] : [], labels.length) || !isKnown || isRepeated) {
    throw damaged(`its outputs are ${describe(outputs)} for ${labels.length} labels`);
  }
  for (const [name, limit] of [
    ['familiarity', manifest.familiar],
    [whereName, manifest.where],
  ] as const) {
    if (limit !== undefined && !others.some((output) => output.name === name)) {
      throw damaged(`its manifest has a limit for ${name}, but the graph has no such output`);
    }
  }
  const named = model.metadataProps.find(({ key }) => key === 'labels')?.value;
  if (named !== undefined && named !== JSON.stringify(labels)) {
    throw damaged(`its labels are ${named}, its manifest says ${JSON.stringify(labels)}`);
  }
}

/** Dimensions of the outputs that a head may have besides the probabilities. */
const rankOf: Readonly<Record<string, number>> = { familiarity: 1, [whereName]: 3 };

/** Whether the inputs are the features, at most once, and maps of the base in their shapes. */
function areHeadInputs(inputs: readonly TensorFacts[], { size, maps }: HeadInputs): boolean {
  const features = inputs.filter(({ name }) => !isMapName(name));
  const fits = ({ type, shape }: TensorFacts, wanted: readonly number[]) =>
    type === 'float32' &&
    shape?.length === wanted.length + 1 &&
    wanted.every((dim, i) => typeof shape[i + 1] !== 'number' || shape[i + 1] === dim);
  return (
    inputs.length > 0 &&
    (features.length === 0 || isTable(features, size)) &&
    inputs.every((input) => {
      const map = maps.find(({ name }) => name === input.name);
      return !map || fits(input, [map.channels, map.height, map.width]);
    })
  );
}

/** Whether this is one float32 tensor [N,columns]. */
function isTable([only, ...others]: TensorFacts[], columns: number): boolean {
  return (
    others.length === 0 && only?.type === 'float32' && only.shape?.length === 2 && only.shape[1] === columns
  );
}
