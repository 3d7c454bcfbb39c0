/**
 * Finds the part of a folded base that can be trained: its last block, from one map (the entry) to the features. What lies before it is
 * computed once per image. Pure.
 */
import { producers } from './graph.ts';
import { poolsOf } from './maps.ts';
import type { OnnxGraph, OnnxNode } from './proto.ts';

export interface Tail {
  /** The map that the block reads, [N,C,H,W]. */
  readonly entry: string;
  /** The map that the block computes. */
  readonly map: string;
  /** Other tensors that the nodes read and that do not depend on the block: pooled maps of earlier stages. */
  readonly others: readonly string[];
  /** From entry to features, in the order of the graph. */
  readonly nodes: readonly OnnxNode[];
  readonly features: string;
  /** Weights and biases of convolutions that are trained. */
  readonly parameters: readonly string[];
}

/** Fewer convolutions are not a block: in a network without shortcuts every tensor could be an entry. */
const minConvolutions = 2;

/** Operators that have a gradient here (gradients.ts). */
const supported = new Set(
  'Add Clip Concat Conv Flatten GlobalAveragePool GlobalMaxPool Identity Relu Reshape Squeeze'.split(' '),
);

/**
 * The last block before the deepest map that the features are pooled from. Every path to this map passes through the entry.
 * @param features the tensor with the features, or the map that they are the average of
 * @returns why not, as a text that names the operator, if the block cannot be trained
 */
export function tailOf(graph: OnnxGraph, features: string): Tail | string {
  const made = producers(graph);
  const pools = poolsOf(graph, features);
  const map = pools ? pools.at(-1)!.tensor : features;
  if (!made.has(map)) return `its features (${features}) are not computed from a map`;
  const weights = new Set(graph.initializer.map(({ name }) => name ?? ''));
  const isWeight = (name: string) => name === '' || weights.has(name);
  const inputs = new Set(graph.input.map(({ name }) => name ?? ''));
  const toMap = needed(made, map);

  for (const one of toMap) {
    const [entry = ''] = one.output;
    if (entry === map) continue;
    const block = dependents(graph.node, entry).filter((inner) => toMap.has(inner));
    const convolutions = block.filter(isTrainable);
    if (convolutions.length < minConvolutions || outside(block, entry, isWeight).length > 0) continue;
    const all = dependents(graph.node, entry).filter((inner) => needed(made, features).has(inner));
    const unknown = all.find(({ opType = '', domain }) => domain || !supported.has(opType));
    if (unknown)
      return `the operator ${unknown.opType} in its last block (${unknown.output[0]}) has no gradient`;
    const parameters = all
      .filter(isTrainable)
      .flatMap(({ input }) => input.slice(1).filter((name) => weights.has(name)));
    const others = outside(all, entry, isWeight);
    if (others.some((name) => inputs.has(name))) continue;
    return { entry, map, others, nodes: all, features, parameters: [...new Set(parameters)] };
  }
  return 'no block of convolutions that ends in its last map was found';
}

/** Convolutions in groups keep their weights: most are folded batch normalisation. */
function isTrainable({ opType, attribute }: OnnxNode): boolean {
  return opType === 'Conv' && Number(attribute.find(({ name }) => name === 'group')?.i ?? 1) === 1;
}

/** The nodes that a tensor depends on, the last ones first. */
function needed(made: ReadonlyMap<string, OnnxNode>, tensor: string): ReadonlySet<OnnxNode> {
  const found = new Set<OnnxNode>();
  const open = [tensor];
  for (let name = open.shift(); name !== undefined; name = open.shift()) {
    const maker = made.get(name);
    if (!maker || found.has(maker)) continue;
    found.add(maker);
    open.push(...maker.input);
  }
  return found;
}

/** The nodes that depend on a tensor, in the order of the graph. */
function dependents(nodes: readonly OnnxNode[], tensor: string): OnnxNode[] {
  const reached = new Set([tensor]);
  return nodes.filter((one) => {
    if (!one.input.some((name) => reached.has(name))) return false;
    for (const output of one.output) reached.add(output);
    return true;
  });
}

/** Tensors that the nodes read besides the entry and that none of them computes. */
function outside(nodes: readonly OnnxNode[], entry: string, isWeight: (name: string) => boolean): string[] {
  const own = new Set([entry, ...nodes.flatMap(({ output }) => output)]);
  return [
    ...new Set(nodes.flatMap(({ input }) => input).filter((name) => !own.has(name) && !isWeight(name))),
  ];
}
