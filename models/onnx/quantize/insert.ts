/**
 * Inserts QuantizeLinear and DequantizeLinear around the int8 operators of a float graph (QDQ format): plain ONNX of operator set
 * 13, which a runtime fuses to integer kernels if it has them and otherwise computes in float.
 */
import { floatTensor, node, tensorDims } from '../build.ts';
import { changed, type OnnxModel, type OnnxNode, type OnnxTensor, toNumber } from '../proto.ts';
import { integerTensor, weightValues } from '../tensors.ts';
import { type ActivationType, type Levels, levelsOf, quantizeBias, quantizeWeights } from './levels.ts';
import { nameOf, type Plan } from './plan.ts';
import type { Range } from './ranges.ts';

/** The first operator set in which DequantizeLinear supports a scale per channel. */
const minOpset = 13;
/** Operators that are the same in operator set 13 as in 7 to 12. */
const unchanged = new Set(
  (
    'Add AveragePool BatchNormalization Cast Concat Conv Div Flatten Floor Gemm GlobalAveragePool GlobalMaxPool Identity ' +
    'LeakyRelu LRN MatMul MaxPool Mul Relu Reshape Sigmoid Sub Sum Tanh Transpose'
  ).split(' '),
);

/** Name of the dequantized tensor, which int8 operators read instead. */
export const afterLevels = (tensor: string) => `${tensor}/levels/float`;

/** @param ranges of every tensor of the plan. Throws if the graph's operator set cannot be raised to 13. */
export function insertQdq(
  model: OnnxModel,
  plan: Plan,
  ranges: ReadonlyMap<string, Range>,
  activations: ActivationType = 'uint8',
): OnnxModel {
  const graph = model.graph!;
  const weights = new Map(graph.initializer.map((tensor) => [tensor.name ?? '', tensor]));
  const outputs = new Set(graph.output.map(({ name }) => name));
  const added: OnnxTensor[] = [];

  function levels(tensor: string): Levels {
    const source = plan.sameAs.get(tensor) ?? tensor;
    const range = ranges.get(source);
    if (!range) throw new Error(`there is no range for the tensor "${source}"`);
    return levelsOf(range, activations);
  }

  /** The QuantizeLinear and DequantizeLinear nodes of a tensor. An output keeps its name after dequantization. */
  function pair(tensor: string): {
    readonly nodes: OnnxNode[];
    readonly before: string;
    readonly after: string;
  } {
    const { scale, zero } = levels(tensor);
    const [before, after] = outputs.has(tensor) ? [`${tensor}/float`, tensor] : [tensor, afterLevels(tensor)];
    const constants = [`${tensor}/scale`, `${tensor}/zero`];
    added.push(
      floatTensor(constants[0]!, [], Float32Array.of(scale)),
      integerTensor(constants[1]!, [], activations === 'uint8' ? Uint8Array.of(zero) : Int8Array.of(zero)),
    );
    return {
      nodes: [
        node('QuantizeLinear', [before, ...constants], [`${tensor}/levels`]),
        node('DequantizeLinear', [`${tensor}/levels`, ...constants], [after]),
      ],
      before,
      after,
    };
  }

  /** Quantized weights and bias of a convolution with their DequantizeLinear nodes. */
  function constantsOf(conv: OnnxNode): { readonly nodes: OnnxNode[]; readonly input: string[] } {
    const kernel = weights.get(conv.input[1]!)!;
    const dims = tensorDims(kernel);
    const channels = dims[0]!;
    const bias = conv.input[2] ? weightValues(weights.get(conv.input[2])!) : new Float32Array(channels);
    const inputScale = levels(conv.input[0]!).scale;
    const quantized = quantizeWeights(weightValues(kernel), dims, bias, inputScale);
    const [w, b] = [`${nameOf(conv)}/w`, `${nameOf(conv)}/b`];
    const whole = quantizeBias(`${b}/levels`, bias, inputScale, quantized.scales);
    added.push(
      integerTensor(`${w}/levels`, dims, quantized.values),
      floatTensor(`${w}/scale`, [channels], quantized.scales),
      integerTensor(`${w}/zero`, [channels], new Int8Array(channels)),
      whole.tensor,
      floatTensor(`${b}/scale`, [channels], whole.scales),
      integerTensor(`${b}/zero`, [channels], new Int32Array(channels)),
    );
    const nodes = [w, b].map((one) =>
      node('DequantizeLinear', [`${one}/levels`, `${one}/scale`, `${one}/zero`], [`${one}/float`], {
        axis: 0,
      }),
    );
    return { nodes, input: [`${w}/float`, `${b}/float`] };
  }

  // A producer writes the float tensor, and its readers read the dequantized one. If neither works in int8, the reader reads the
  // float tensor directly.
  const read = new Map<string, string>();
  const inFloat = new Map<string, string>();
  const nodes: OnnxNode[] = [];
  for (const { name = '' } of graph.input) {
    if (!plan.tensors.has(name)) continue;
    const { nodes: two, after } = pair(name);
    nodes.push(...two);
    read.set(name, after);
    inFloat.set(name, name);
  }
  for (const one of graph.node) {
    const works = plan.operators.has(nameOf(one));
    const input = one.input.map((name) => (works ? undefined : inFloat.get(name)) ?? read.get(name) ?? name);
    const [result] = one.output;
    const constants = works && one.opType === 'Conv' ? constantsOf(one) : undefined;
    if (constants) {
      nodes.push(...constants.nodes);
      input.splice(1, 2, ...constants.input);
    }
    if (result === undefined || !plan.tensors.has(result)) {
      nodes.push({ ...one, input });
      continue;
    }
    const { nodes: two, before, after } = pair(result);
    const renamed = before === result ? one : { ...one, name: before };
    nodes.push({ ...renamed, input, output: [before, ...one.output.slice(1)] }, ...two);
    read.set(result, after);
    if (!plan.results.has(result)) inFloat.set(result, before);
  }
  const used = new Set(nodes.flatMap((one) => one.input));
  return changed(model, {
    ...raised(model),
    producerName: 'qc-edge-agent',
    graph: changed(graph, {
      node: nodes,
      initializer: [...graph.initializer.filter(({ name }) => used.has(name ?? '')), ...added],
      // They describe the float graph; a runtime infers them again.
      valueInfo: [],
    }),
  });
}

function raised(model: OnnxModel): Pick<OnnxModel, 'irVersion' | 'opsetImport'> {
  const irVersion = Math.max(7, toNumber(model.irVersion ?? 0));
  const own = model.opsetImport.find(({ domain }) => (domain ?? '') === '');
  const version = toNumber(own?.version ?? 0);
  if (version >= minOpset) return { irVersion, opsetImport: model.opsetImport };
  const unsupported = model.graph!.node.find(({ opType }) => !unchanged.has(opType ?? ''));
  if (unsupported || version < 7) {
    throw new Error(
      `operator set ${version} cannot be raised to ${minOpset}${unsupported ? ` because of ${unsupported.opType}` : ''}`,
    );
  }
  const others = model.opsetImport.filter((one) => one !== own);
  return { irVersion, opsetImport: [...others, { domain: '', version: minOpset }] };
}
