/** Chooses the operators of a folded graph that work in int8, and the tensors that are quantized. */
import { producers } from '../graph.ts';
import type { OnnxGraph, OnnxNode } from '../proto.ts';
import { countReaders } from './fold.ts';
import { pixelsTensor } from './pixels.ts';

export interface Plan {
  /** Operators that read and write int8, by the name of their first output; in the order of the graph. */
  readonly operators: ReadonlySet<string>;
  /** Tensors that are stored in int8. */
  readonly tensors: ReadonlySet<string>;
  /** Those that an int8 operator computes, with its name. */
  readonly results: ReadonlyMap<string, string>;
  /** Tensors that have the same levels as another one, because the operator between them only selects values (MaxPool). */
  readonly sameAs: ReadonlyMap<string, string>;
}

/** Name of an operator in plans and reports: its first output. */
export const nameOf = (one: OnnxNode) => one.output[0]!;

/**
 * Quantizes convolutions with constant weights, additions of two activations, and max pooling between them. The rest of the graph,
 * especially the average pooling, stays in float: 256 levels would lose small features.
 * @param float operators that stay in float although they could be quantized
 */
export function planOf(graph: OnnxGraph, float: ReadonlySet<string> = new Set()): Plan {
  const weights = new Set(graph.initializer.map(({ name }) => name ?? ''));
  const made = producers(graph);
  const result = resultsOf(graph);
  const operators = new Set<string>();
  const tensors = new Set<string>();
  const results = new Map<string, string>();
  const sameAs = new Map<string, string>();
  const chosen = graph.node.filter(
    (one) => isQuantizable(one, weights) && nameOf(one) !== pixelsTensor && !float.has(nameOf(one)),
  );
  for (const one of chosen) {
    if (one.opType === 'MaxPool') continue;
    operators.add(nameOf(one));
    for (const input of one.opType === 'Add' ? one.input : [one.input[0]!]) tensors.add(input);
    tensors.add(result(one));
    results.set(result(one), nameOf(one));
  }
  // Pooling is quantized if its input or output already is.
  for (const one of chosen) {
    if (one.opType !== 'MaxPool') continue;
    const [input, output] = [one.input[0]!, nameOf(one)];
    if (!tensors.has(input) && !(tensors.has(output) && made.has(input))) continue;
    operators.add(output);
    results.set(output, output);
    tensors.add(input).add(output);
    sameAs.set(output, input);
  }
  return { operators, tensors, results, sameAs };
}

function isQuantizable(one: OnnxNode, weights: ReadonlySet<string>): boolean {
  switch (one.opType) {
    case 'Conv':
      return weights.has(one.input[1]!) && (!one.input[2] || weights.has(one.input[2]));
    case 'Add':
      return one.input.every((name) => !weights.has(name));
    case 'MaxPool':
      return one.output.length === 1;
    default:
      return false;
  }
}

/** The result of an operator: if its only reader is a ReLU, the result of the ReLU, since quantization clips at its lowest level. */
function resultsOf(graph: OnnxGraph): (one: OnnxNode) => string {
  const readers = countReaders(graph);
  const relus = new Map(
    graph.node.filter(({ opType }) => opType === 'Relu').map((one) => [one.input[0]!, nameOf(one)]),
  );
  return (one) => {
    const output = nameOf(one);
    return (readers.get(output) === 1 ? relus.get(output) : undefined) ?? output;
  };
}
