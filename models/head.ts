/** The head: features → class probabilities. On disk it is plain ONNX: `features` [N,D] → `probabilities` [N,K]. */
import { QcError } from '../config/errors.ts';
import type { BaseManifest, HeadManifest } from './manifest.ts';
import { buildModel, floatTensor, floatValues, node, valueInfo } from './onnx/build.ts';
import { describe, graphInputs, graphOutputs, type TensorFacts } from './onnx/graph.ts';
import { decodeModel, encodeModel, type OnnxModel } from './onnx/proto.ts';

/** softmax((W·t(x) + b) / temperature): any standardisation is folded into W and b. */
export interface LinearHead {
  /**
   * What is done to the features first. `hellinger`: t(x) = sign(x)·√(|x| / Σ|x|), which keeps a few strong features
   * from deciding alone (Arandjelović and Zisserman, "Three things everyone should know", CVPR 2012). Default: nothing.
   */
  readonly transform?: 'hellinger' | undefined;
  readonly labels: readonly string[];
  /** [K,D], row-major: one row of D weights per label. */
  readonly weights: Float64Array | Float32Array;
  readonly bias: Float64Array | Float32Array;
  readonly temperature: number;
}

/** The bytes of head.onnx for a linear head: Gemm and Softmax, the temperature folded into the weights. */
export function encodeLinearHead({ transform, labels, weights, bias, temperature }: LinearHead): Uint8Array {
  const classes = labels.length;
  const size = weights.length / classes;
  const scaled = (values: Float64Array | Float32Array) =>
    Float32Array.from(values, (value) => value / temperature);
  return encodeModel(
    buildModel({
      name: 'head',
      node: [
        ...(transform ? hellingerNodes : []),
        node('Gemm', [transform ? 'transformed' : 'features', 'weights', 'bias'], ['scores'], { transB: 1 }),
        node('Softmax', ['scores'], ['probabilities'], { axis: 1 }),
      ],
      initializer: [
        floatTensor('weights', [classes, size], scaled(weights)),
        floatTensor('bias', [classes], scaled(bias)),
        ...(transform ? [floatTensor('least', [1], Float32Array.of(leastSum))] : []),
      ],
      input: [valueInfo('features', ['N', size])],
      output: [valueInfo('probabilities', ['N', classes])],
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

/** t(x) of `hellinger`, [D]; a new array. */
export function hellinger(features: Float32Array): Float32Array {
  const sum = Math.max(
    leastSum,
    features.reduce((total, value) => total + Math.abs(value), 0),
  );
  return features.map((value) => Math.sign(value) * Math.sqrt(Math.abs(value) / sum));
}

/** The head in a head.onnx that `encodeLinearHead` wrote; undefined for any other graph. Throws where it is no ONNX. */
export function decodeLinearHead(bytes: Uint8Array, labels: readonly string[]): LinearHead | undefined {
  const graph = decodeModel(bytes).graph;
  const named = (name: string) => graph?.initializer.find((tensor) => tensor.name === name);
  const [weights, bias] = [named('weights'), named('bias')];
  const operators = graph?.node.map(({ opType }) => opType).join();
  const known = [[], hellingerNodes].map((before) =>
    [...before.map(({ opType }) => opType), 'Gemm', 'Softmax'].join(),
  );
  if (!weights || !bias || !known.includes(operators ?? '')) return undefined;
  return {
    transform: operators === known[1] ? 'hellinger' : undefined,
    labels,
    weights: floatValues(weights),
    bias: floatValues(bias),
    temperature: 1,
  };
}

/** What head.onnx answers for raw features, label by label, computed here. */
export function probabilitiesOf(head: LinearHead, features: Float32Array): number[] {
  const x = head.transform ? hellinger(features) : features;
  const scores = head.labels.map((_, k) => {
    let score = head.bias[k]!;
    for (let d = 0; d < x.length; d++) score += head.weights[k * x.length + d]! * x[d]!;
    return score;
  });
  return softmax(scores, head.temperature);
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
  if (!isTable(outputs, labels.length)) {
    throw damaged(`its outputs are ${describe(outputs)} for ${labels.length} labels`);
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
