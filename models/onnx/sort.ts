/** Sorts the nodes of a graph. */
import { producers, reads } from './graph.ts';
import { changed, type OnnxGraph, type OnnxNode } from './proto.ts';

/**
 * The graph with every node behind those whose results it reads, otherwise in its order. ONNX requires it, but converters append
 * nodes, and onnxruntime accepts that. Throws if nodes read each other in a circle.
 */
export function sorted(graph: OnnxGraph): OnnxGraph {
  const made = producers(graph);
  const order: OnnxNode[] = [];
  const state = new Map<OnnxNode, 'open' | 'done'>();
  for (const start of graph.node) {
    const stack = [start];
    for (let one = stack.at(-1); one; one = stack.at(-1)) {
      if (state.get(one) === 'done') {
        stack.pop();
        continue;
      }
      const needed = reads(one).flatMap((name) => made.get(name) ?? []);
      const missing = needed.filter((other) => state.get(other) !== 'done');
      if (missing.length === 0) {
        state.set(one, 'done');
        order.push(one);
        stack.pop();
        continue;
      }
      if (state.get(one) === 'open' || missing.includes(one))
        throw new Error(`the operator that computes "${one.output[0] ?? ''}" needs its own result`);
      state.set(one, 'open');
      stack.push(...missing);
    }
  }
  const isSorted = order.every((one, i) => one === graph.node[i]);
  return isSorted ? graph : changed(graph, { node: order });
}
