/** The head: features → class probabilities. On disk it is plain ONNX: `features` [N,D] → `probabilities` [N,K]. */
import { QcError } from '../config/errors.ts';
import type { BaseManifest, HeadManifest } from './manifest.ts';
import { buildModel, floatTensor, node, valueInfo } from './onnx/build.ts';
import { describe, graphInputs, graphOutputs, type TensorFacts } from './onnx/graph.ts';
import { decodeModel, encodeModel, type OnnxModel } from './onnx/proto.ts';

/** softmax((W·x + b) / temperature), fitted on raw features: any standardisation is folded into W and b. */
export interface LinearHead {
  readonly labels: readonly string[];
  /** [K,D], row-major: one row of D weights per label. */
  readonly weights: Float64Array | Float32Array;
  readonly bias: Float64Array | Float32Array;
  readonly temperature: number;
}

/** The bytes of head.onnx for a linear head: Gemm and Softmax, the temperature folded into the weights. */
export function encodeLinearHead({ labels, weights, bias, temperature }: LinearHead): Uint8Array {
  const classes = labels.length;
  const size = weights.length / classes;
  const scaled = (values: Float64Array | Float32Array) =>
    Float32Array.from(values, (value) => value / temperature);
  return encodeModel(
    buildModel({
      name: 'head',
      node: [
        node('Gemm', ['features', 'weights', 'bias'], ['scores'], { transB: 1 }),
        node('Softmax', ['scores'], ['probabilities'], { axis: 1 }),
      ],
      initializer: [
        floatTensor('weights', [classes, size], scaled(weights)),
        floatTensor('bias', [classes], scaled(bias)),
      ],
      input: [valueInfo('features', ['N', size])],
      output: [valueInfo('probabilities', ['N', classes])],
      metadata: { labels: JSON.stringify(labels) },
    }),
  );
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
