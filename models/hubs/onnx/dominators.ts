/** Tensors through which all data of a graph passes. */
import type { OnnxGraph, OnnxNode } from '../../onnx/proto.ts';

export interface Dominators {
  /** Whether the tensor is computed from the values of the input, not only from its shape. */
  has(tensor: string): boolean;
  /** Tensors that every path from the input to this one passes through, in order, without the input and with this one. */
  pathTo(tensor: string): string[];
}

/** Operators whose other inputs are shapes, indices and limits. */
const readsOnlyFirst = new Set(
  'Clip Expand Gather Pad ReduceMean Reshape Resize Slice Split Squeeze Tile Unsqueeze'.split(' '),
);
const givesNoData = new Set(['Shape', 'Size']);

/** The immediate dominator of each tensor (Cooper, Harvey, Kennedy 2001, for a sorted graph). */
export function dominatorsOf(graph: OnnxGraph, input: string): Dominators {
  const above = new Map<string, string>();
  const depths = new Map([[input, 0]]);
  const common = (a: string, b: string): string => {
    let [x, y] = [a, b];
    while (x !== y) {
      if (depths.get(x)! >= depths.get(y)!) x = above.get(x)!;
      else y = above.get(y)!;
    }
    return x;
  };
  for (const one of graph.node) {
    const [first, ...others] = dataOf(one).filter((name) => depths.has(name));
    if (first === undefined) continue;
    const parent = others.reduce(common, first);
    for (const output of one.output) {
      if (output === '' || depths.has(output)) continue;
      above.set(output, parent);
      depths.set(output, depths.get(parent)! + 1);
    }
  }
  return {
    has: (tensor) => depths.has(tensor),
    pathTo(tensor) {
      const path: string[] = [];
      for (let at = tensor; at !== input && above.has(at); at = above.get(at)!) path.push(at);
      return path.reverse();
    },
  };
}

function dataOf({ opType = '', input }: OnnxNode): readonly string[] {
  if (givesNoData.has(opType)) return [];
  return readsOnlyFirst.has(opType) ? input.slice(0, 1) : input;
}
