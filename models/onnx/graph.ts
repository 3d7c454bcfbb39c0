/** Queries of an ONNX graph: inputs, outputs, and the producer of each tensor. */
import { dataTypeName, type OnnxGraph, type OnnxNode, type OnnxValueInfo, toNumber } from './proto.ts';

/** A dimension is a number, a name ("N") or unknown (null). */
export type Dimension = number | string | null;

export interface TensorFacts {
  readonly name: string;
  /** "float32", "uint8", … or "not a tensor". */
  readonly type: string;
  /** Undefined if the file does not contain it. */
  readonly shape: readonly Dimension[] | undefined;
}

function tensorFacts(value: OnnxValueInfo): TensorFacts {
  const tensor = value.type?.tensorType;
  return {
    name: value.name ?? '',
    type: tensor ? dataTypeName(tensor.elemType) : 'not a tensor',
    shape: tensor?.shape?.dim.map((dim) => {
      if (dim.dimParam) return dim.dimParam;
      const size = Object.hasOwn(dim, 'dimValue') ? toNumber(dim.dimValue ?? 0) : 0;
      return size > 0 ? size : null;
    }),
  };
}

/** Inputs without weights, which are also listed as inputs before IR version 4. */
export function graphInputs(graph: OnnxGraph): TensorFacts[] {
  const weights = new Set(graph.initializer.map((tensor) => tensor.name));
  return graph.input.filter((value) => !weights.has(value.name)).map(tensorFacts);
}

export function graphOutputs(graph: OnnxGraph): TensorFacts[] {
  return graph.output.map(tensorFacts);
}

/** "data [N,3,224,224] float32, mask [1] bool"; "none" for none. */
export function describe(tensors: readonly TensorFacts[]): string {
  if (tensors.length === 0) return 'none';
  return tensors
    .map(({ name, shape, type }) => {
      const dims = shape ? `[${shape.map((dim) => dim ?? '?').join(',')}]` : '[?]';
      return `${name} ${dims} ${type}`;
    })
    .join(', ');
}

/** The node that computes each tensor. */
export function producers(graph: OnnxGraph): Map<string, OnnxNode> {
  const made = new Map<string, OnnxNode>();
  for (const node of graph.node) for (const output of node.output) if (output) made.set(output, node);
  return made;
}

/** Every tensor that a node reads, including those that the bodies of If, Loop and Scan read from outside. */
export function reads(node: OnnxNode): string[] {
  const names = node.input.filter((name) => name !== '');
  for (const attribute of node.attribute) {
    for (const body of [...(attribute.g ? [attribute.g] : []), ...attribute.graphs]) {
      const own = new Set([
        ...body.input.map((value) => value.name),
        ...body.initializer.map((tensor) => tensor.name),
        ...body.node.flatMap((inner) => inner.output),
      ]);
      const wanted = [...body.node.flatMap(reads), ...body.output.map((value) => value.name ?? '')];
      names.push(...wanted.filter((name) => !own.has(name)));
    }
  }
  return names;
}
