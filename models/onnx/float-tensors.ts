/** Finds the float32 tensors of a graph by type inference from inputs, weights and operators. */
import { graphInputs } from './graph.ts';
import { dataType, type OnnxGraph, type OnnxNode } from './proto.ts';

const neverFloat = new Set(
  'Shape Size NonZero ArgMax ArgMin Equal Less Greater LessOrEqual GreaterOrEqual And Or Not Xor IsNaN IsInf QuantizeLinear'.split(
    ' ',
  ),
);
/** Index of the input with the type of the result, if it is not the first. */
const like: Readonly<Record<string, number>> = { Where: 1, DequantizeLinear: 1 };

/** Names of the float32 tensors that nodes compute. */
export function floatTensors(graph: OnnxGraph): string[] {
  const float = new Set(graphInputs(graph).flatMap(({ name, type }) => (type === 'float32' ? [name] : [])));
  for (const { name, dataType: type } of graph.initializer)
    if (type === dataType.float32) float.add(name ?? '');
  const made: string[] = [];
  for (const one of graph.node) {
    if (!isFloat(one, float)) continue;
    // Other outputs are indices or masks.
    const [output = ''] = one.output;
    float.add(output);
    made.push(output);
  }
  return made;
}

function isFloat({ opType = '', input, attribute }: OnnxNode, float: ReadonlySet<string>): boolean {
  if (neverFloat.has(opType)) return false;
  if (opType === 'Cast')
    return attribute.some(({ name, i }) => name === 'to' && Number(i) === dataType.float32);
  const value = attribute.find(({ name }) => name === 'value')?.t;
  if (value) return value.dataType === dataType.float32;
  return float.has(input[like[opType] ?? 0] ?? '');
}
