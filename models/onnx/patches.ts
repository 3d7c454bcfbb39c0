/** Recognises a transformer that divides images into patches. */
import { attributeList } from './maps.ts';
import { type OnnxGraph, type OnnxNode, toNumber } from './proto.ts';

/** Pixels per side of a patch; undefined if the graph is no transformer of patches. */
export function patchOf(graph: OnnxGraph, input: string): number | undefined {
  if (!graph.node.some((one) => isAttention(one, graph))) return undefined;
  let tensor = input;
  for (let steps = 0; steps < 10; steps++) {
    const reader = graph.node.find((one) => one.input[0] === tensor);
    if (reader?.opType === 'Conv') {
      const [down = 1, across = 1] = attributeList(reader, 'strides');
      const kernel = graph.initializer.find(({ name }) => name === reader.input[1]);
      const sides = kernel?.dims.slice(2).map(toNumber) ?? attributeList(reader, 'kernel_shape');
      const isPatch =
        down === across && down >= 4 && sides.length === 2 && sides.every((side) => side === down);
      return isPatch ? down : undefined;
    }
    if (!reader?.output[0]) return undefined;
    tensor = reader.output[0];
  }
  return undefined;
}

const betweenAttention = ['Cast', 'Dropout', 'Identity', 'Where'];

/** An attention operator, or a Softmax whose result is multiplied with a matrix. */
function isAttention(one: OnnxNode, graph: OnnxGraph): boolean {
  if (['Attention', 'MultiHeadAttention'].includes(one.opType ?? '')) return true;
  if (one.opType !== 'Softmax') return false;
  let tensor = one.output[0];
  for (let steps = 0; steps < 4 && tensor; steps++) {
    const readers = graph.node.filter((other) => other.input.includes(tensor!));
    if (readers.some(({ opType }) => opType === 'MatMul')) return true;
    tensor = readers.find(({ opType }) => betweenAttention.includes(opType ?? ''))?.output[0];
  }
  return false;
}
