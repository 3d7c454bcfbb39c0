/** Which operators of a folded graph work on 8-bit numbers, and which tensors between them get levels. */
import { producers } from '../graph.ts';
import type { OnnxGraph, OnnxNode } from '../proto.ts';
import { countReaders } from './fold.ts';
import { pixelsTensor } from './pixels.ts';

export interface Plan {
  /** Operators that read and write 8 bits, by the name of their first output; in the order of the graph. */
  readonly operators: ReadonlySet<string>;
  /** Tensors that are stored in 8 bits. */
  readonly tensors: ReadonlySet<string>;
  /** Those among them that an operator in 8 bits makes, and which one. */
  readonly results: ReadonlyMap<string, string>;
  /** Tensors whose levels are those of another, since the operator between only selects values (MaxPool). */
  readonly sameAs: ReadonlyMap<string, string>;
}

/** The output that names an operator in plans, reports and lists of those that stay in float. */
export const nameOf = (one: OnnxNode) => one.output[0]!;

/**
 * Convolutions with constant weights, additions of two activations, and maximum pooling between them. What is after the last of
 * them, the average over the map above all, stays in float: features in 256 levels would lose the small ones.
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
  // Pooling takes part where what it reads or what it gives is in 8 bits already.
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

/** What an operator gives to others: a ReLU that alone reads it is done by the lowest level of its own result. */
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
