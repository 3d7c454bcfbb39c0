/** Cuts a graph: keeps only what a tensor depends on. */
import { node, valueInfo } from './build.ts';
import { producers, reads } from './graph.ts';
import { changed, type OnnxModel, type OnnxNode } from './proto.ts';

/**
 * The part of the model that computes `tensor`, with `tensor` as its only output. Shares the weights with the given model, which is
 * not changed. Throws if no node computes a tensor.
 * @param dims shape of the tensor if the model does not contain it: ONNX requires a shape for every output, onnxruntime does not
 * @param others tensors to keep that are not outputs
 */
export function cutAt(
  model: OnnxModel,
  tensor: string,
  dims?: readonly (number | string)[],
  others: readonly string[] = [],
): OnnxModel {
  const graph = model.graph;
  if (!graph) throw new Error('the model has no graph');
  const made = producers(graph);
  for (const name of [tensor, ...others]) {
    if (!made.has(name)) throw new Error(`no node of the graph computes a tensor named "${name}"`);
  }

  const nodes = new Set<OnnxNode>();
  const tensors = new Set<string>();
  const open = [tensor, ...others];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (tensors.has(name)) continue;
    tensors.add(name);
    const maker = made.get(name);
    if (!maker || nodes.has(maker)) continue;
    nodes.add(maker);
    open.push(...reads(maker));
  }

  const known = [...graph.output, ...graph.valueInfo].find((value) => value.name === tensor);
  const cut = changed(graph, {
    // Keeps the order of the file, which is topological.
    node: graph.node.filter((candidate) => nodes.has(candidate)),
    initializer: graph.initializer.filter((weight) => tensors.has(weight.name ?? '')),
    sparseInitializer: graph.sparseInitializer.filter((weight) => tensors.has(weight.values?.name ?? '')),
    input: graph.input.filter((value) => tensors.has(value.name ?? '')),
    valueInfo: graph.valueInfo.filter((value) => tensors.has(value.name ?? '') && value.name !== tensor),
    output: [known ?? valueInfo(tensor, dims)],
  });
  return changed(model, { graph: cut });
}

/**
 * Averages the only output, [N,C,H,W], over height and width: the output becomes `name`, [N,C] float32
 * (operators GlobalAveragePool and Flatten).
 */
export function appendAveragePool(model: OnnxModel, name: string): OnnxModel {
  const graph = model.graph;
  const output = graph?.output[0]?.name;
  if (!graph || !output) throw new Error('the model has no output');
  const pooled = `${name}/pooled`;
  return changed(model, {
    graph: changed(graph, {
      node: [
        ...graph.node,
        node('GlobalAveragePool', [output], [pooled]),
        node('Flatten', [pooled], [name], { axis: 1 }),
      ],
      output: [valueInfo(name, undefined)],
    }),
  });
}
