/**
 * The head: features → class probabilities, and how familiar the part is. On disk it is plain ONNX: `features` [N,D] →
 * `probabilities` [N,K] and, where it knows its examples, `familiarity` [N].
 *
 * A head that looks at places takes maps of the base as well, or instead: `stage2` [N,C,H/8,W/8] and `stage3` [N,C,H/16,W/16],
 * float32, in the same graph. Inputs are told by these names; any other is the features. The worker feeds it views of what the
 * base gave for the same image, one image a run, and computes maps only while such a head is loaded (run/mapped.ts).
 * The heads that are trained here take both maps or none (cells.ts).
 */
import { QcError } from '../config/errors.ts';
import { isMapName, type MapShape, mapShapes, type ProvedBase } from './base.ts';
import { attended, type CellBlock, cellsOfMaps, windowed } from './cells.ts';
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
import { decodeModel, encodeModel, type OnnxModel } from './onnx/proto.ts';
import type { FeatureMaps } from './run/runner.ts';

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
  /** Looks at places as well: what it sees of them, C values, follows t(x). Only with `hellinger`, without a hidden layer. */
  readonly cells?: CellBlock | undefined;
  /** [K,D], [K,D+C] with cells, or [K,H] behind a hidden layer, row-major: one row of weights per label. */
  readonly weights: Float64Array | Float32Array;
  readonly bias: Float64Array | Float32Array;
  readonly temperature: number;
  /**
   * [M][D] labelled parts, transformed and of length 1. Only with `hellinger`, whose t(x) has length 1. Without a distance,
   * familiarity is the cosine with the nearest of them (Sun, Ming, Zhu, Li, "Out-of-distribution detection with deep nearest
   * neighbors", ICML 2022).
   */
  readonly exemplars?: readonly Float32Array[] | undefined;
  /** How far a part is from the exemplars; familiarity follows from it. */
  readonly distance?: WhitenedDistance | undefined;
}

/** The bytes of head.onnx: Gemm and Softmax, the temperature folded into the weights. */
export function encodeHead(head: HeadWeights): Uint8Array {
  const { transform, labels, hidden, cells, weights, bias, temperature, exemplars = [], distance } = head;
  const knows = transform === 'hellinger' && exemplars.length > 0;
  const familiarity = distance ? distanceGraph(distance) : { node: cosineNodes, initializer: [] };
  const classes = labels.length;
  const inner = weights.length / classes;
  const size = hidden ? hidden.weights.length / inner : inner - (cells?.mean.length ?? 0);
  const features = transform ? 'transformed' : 'features';
  const input = cells ? 'evidence_and_features' : features;
  const looks: CellGraph = cells ? cellGraph(cells) : { node: [], initializer: [], input: [], metadata: {} };
  const scaled = (values: Float64Array | Float32Array) =>
    Float32Array.from(values, (value) => value / temperature);
  return encodeModel(
    buildModel({
      name: 'head',
      node: [
        ...(transform ? hellingerNodes : []),
        ...looks.node,
        ...(cells ? [joinNode] : []),
        ...(hidden ? hiddenNodes(input) : []),
        node('Gemm', [hidden ? 'active' : input, 'weights', 'bias'], ['scores'], { transB: 1 }),
        node('Softmax', ['scores'], ['probabilities'], { axis: 1 }),
        ...(knows ? familiarity.node : []),
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
        ...(knows ? [rowsTensor('exemplars', exemplars), ...familiarity.initializer] : []),
        ...looks.initializer,
      ],
      input: [valueInfo('features', ['N', size]), ...looks.input],
      output: [
        valueInfo('probabilities', ['N', classes]),
        ...(knows ? [valueInfo('familiarity', ['N'])] : []),
      ],
      metadata: { labels: JSON.stringify(labels), ...looks.metadata },
    }),
  );
}

/** A picture without any feature has no direction: its sum is taken for this. */
export const leastSum = 1e-12;
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
    leastSum,
    features.reduce((total, value) => total + Math.abs(value), 0),
  );
  return features.map((value) => Math.sign(value) * Math.sqrt(Math.abs(value) / sum));
}

/** The weights in a head.onnx that `encodeHead` wrote; undefined for any other graph. Throws where it is no ONNX. */
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
  // What stands before and behind Gemm and Softmax says what the head does; anything else is not ours.
  const before = operators.startsWith('Abs') ? types(hellingerNodes) : [];
  const cells = readCellBlock(model);
  const looks = cells ? types([...cellGraph(cells).node, joinNode]) : [];
  const layers = hiddenWeights ? types(hiddenNodes('')) : [];
  const distance = readDistance(named);
  const measures = distance ? distanceGraph(distance).node : cosineNodes;
  const behind = operators.endsWith('ReduceMax') ? types(measures) : [];
  const known = [...before, ...looks, ...layers, 'Gemm', 'Softmax', ...behind].join();
  if (!weights || !bias || (hiddenWeights && !hiddenBias) || operators !== known) return undefined;
  return {
    transform: before.length > 0 ? 'hellinger' : undefined,
    labels,
    ...(hiddenWeights &&
      hiddenBias && { hidden: { weights: floatValues(hiddenWeights), bias: floatValues(hiddenBias) } }),
    ...(cells && { cells }),
    weights: floatValues(weights),
    bias: floatValues(bias),
    temperature: 1,
    ...(behind.length > 0 && exemplars && { exemplars: rowsOfTensor(exemplars) }),
    ...(distance && { distance }),
  };
}

/**
 * What head.onnx answers for raw features, label by label, computed here.
 * @param maps of the same image; without them the places count as those of an ordinary part
 */
export function probabilitiesOf(head: HeadWeights, features: Float32Array, maps?: FeatureMaps): number[] {
  const global = head.transform ? hellinger(features) : features;
  const x = head.cells ? Float32Array.of(...global, ...seenBy(head.cells, maps)) : global;
  const h = head.hidden ? product(head.hidden, x).map((value) => Math.max(0, value)) : x;
  return softmax(product(head, h), head.temperature);
}

/** What a block adds to the features, [C]: transformed, as the difference from an ordinary part. */
function seenBy(block: CellBlock, maps: FeatureMaps | undefined): Float32Array {
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

/** Scores over temperature → probabilities that sum to 1. */
export function softmax(scores: readonly number[], temperature: number): number[] {
  const top = Math.max(...scores);
  const powers = scores.map((score) => Math.exp((score - top) / temperature));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

/** Refuses a head that was made for another base (`head-base-mismatch`). */
export function requireSameBase(manifest: HeadManifest, base: BaseManifest): void {
  const misfit = misfitOf(manifest, base);
  if (misfit) throw misfit;
}

/** Why a head cannot judge on this base (`head-base-mismatch`); undefined where it can. */
export function misfitOf({ version, base: made }: HeadManifest, base: BaseManifest): QcError | undefined {
  const known = [base.sha256, base.variantOf];
  if (!known.includes(made.sha256)) {
    return new QcError(
      'head-base-mismatch',
      `head ${version} was trained on the base ${made.name} (${made.sha256.slice(0, 12)}…), ` +
        `the base in use is ${base.name} (${base.sha256.slice(0, 12)}…)`,
    );
  }
  if (made.features === base.features.tensor) return undefined;
  return new QcError(
    'head-base-mismatch',
    `head ${version} was trained on the tensor ${made.features}, the base gives ${base.features.tensor}`,
  );
}

/** What a head may take. */
export interface HeadInputs {
  /** Number of features. */
  readonly size: number;
  readonly maps: readonly MapShape[];
}

/** What a proved base gives to heads. */
export const headInputs = (base: Pick<ProvedBase, 'manifest' | 'maps'>): HeadInputs => ({
  size: base.manifest.features.size,
  maps: mapShapes(base),
});

/**
 * Refuses a head.onnx whose inputs, outputs or labels are not what its manifest says (`head-damaged`), and one that takes maps
 * from a base that has none (`maps-unavailable`).
 */
export function requireHeadGraph(bytes: Uint8Array, manifest: HeadManifest, given: HeadInputs): void {
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
  const absent = inputs.find(({ name }) => isMapName(name) && !given.maps.some((map) => map.name === name));
  if (absent) {
    throw new QcError(
      'maps-unavailable',
      `head ${manifest.version} takes the map ${absent.name}, which the base does not give`,
    );
  }
  if (!areHeadInputs(inputs, given)) {
    const maps = given.maps.map(
      ({ name, channels, height, width }) => `${name} [N,${channels},${height},${width}]`,
    );
    const offered = [`[N,${given.size}]`, ...maps].join(', ');
    throw damaged(`its inputs are ${describe(inputs)}, the base gives ${offered} float32`);
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

/** Features at most once, and maps of the base in their shapes. */
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

/** One float32 tensor of rows with `columns` values. */
function isTable([only, ...others]: TensorFacts[], columns: number): boolean {
  return (
    others.length === 0 && only?.type === 'float32' && only.shape?.length === 2 && only.shape[1] === columns
  );
}
