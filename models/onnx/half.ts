/** Converts a float graph to float16 weights and arithmetic; inputs and outputs stay float32. */
import { node, tensorDims } from './build.ts';
import { graphInputs } from './graph.ts';
import {
  changed,
  dataType,
  type OnnxAttribute,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
} from './proto.ts';
import { packHalf, weightValues } from './tensors.ts';

const float32 = dataType.float32;
const float16 = dataType.float16;

/**
 * @param model folded (quantize/fold.ts): its weights are initializers
 * @throws Error if a weight is too large for float16, or the model has no graph
 */
export function halfModel(model: OnnxModel): OnnxModel {
  const { graph } = model;
  if (!graph) throw new Error('the model has no graph');
  const inputs = graphInputs(graph).flatMap(({ name, type }) => (type === 'float32' ? [name] : []));
  const outputs = graph.output.map(({ name }) => name ?? '');
  const taken = new Set(graph.node.flatMap((one) => one.output));
  const unused = (name: string): string => (taken.has(name) ? unused(`${name}_`) : name);
  const halves = new Map([...inputs, ...outputs].map((name) => [name, unused(`${name}_half`)]));
  const half = (name: string) => halves.get(name) ?? name;
  return changed(model, {
    graph: changed(graph, {
      node: [
        ...inputs.map((name) => cast(name, half(name), float16)),
        ...graph.node.map((one) => halfNode(one, half)),
        ...outputs.map((name) => cast(half(name), name, float32)),
      ],
      initializer: graph.initializer.map((tensor) =>
        tensor.dataType === float32 ? halfTensor(tensor) : tensor,
      ),
      // Their types have changed, and no runtime needs them.
      valueInfo: [],
    }),
  });
}

/** Named after both tensors, because another node may have the name of one of them. */
function cast(from: string, into: string, to: number): OnnxNode {
  return { ...node('Cast', [from], [into], { to }), name: `${from} to ${into}` };
}

function halfNode(one: OnnxNode, half: (name: string) => string): OnnxNode {
  const isToFloat = ({ name, i }: OnnxAttribute) => name === 'to' && Number(i) === float32;
  return {
    ...one,
    input: one.input.map(half),
    output: one.output.map(half),
    attribute:
      one.opType === 'Cast'
        ? one.attribute.map((attribute) => (isToFloat(attribute) ? { ...attribute, i: float16 } : attribute))
        : one.attribute,
  };
}

function halfTensor(tensor: OnnxTensor): OnnxTensor {
  const patterns = packHalf(weightValues(tensor));
  const infinite = patterns.findIndex((pattern) => (pattern & 0x7c00) === 0x7c00);
  if (infinite >= 0) throw new Error(`${tensor.name}: value ${infinite} is too large for float16`);
  return {
    ...tensor,
    dims: tensorDims(tensor),
    dataType: float16,
    rawData: new Uint8Array(patterns.buffer),
    floatData: [],
  };
}
