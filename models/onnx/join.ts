/** Joins two graphs. */
import type { OnnxModel, OnnxNode, OnnxTensor } from './proto.ts';
import { changed } from './proto.ts';

/**
 * Connects the inputs of `second` to tensors of `first`. Names inside `second` are prefixed to be unique; its outputs keep
 * their names. The operator set is that of `first`.
 * Throws if `feed` returns no tensor for an input of `second`.
 * @param feed the tensor of `first` for an input of `second`
 */
export function join(
  first: OnnxModel,
  feed: (input: string) => string | undefined,
  second: OnnxModel,
  metadata: Readonly<Record<string, string>>,
): OnnxModel {
  const [front, back] = [first.graph, second.graph];
  if (!front || !back) throw new Error('both models need a graph');
  const weights = new Set(back.initializer.map(({ name }) => name));
  const inputs = new Map<string, string>();
  for (const { name = '' } of back.input) {
    if (weights.has(name)) continue;
    const tensor = feed(name);
    if (tensor === undefined)
      throw new Error(`there is no tensor for the input "${name}" of the second graph`);
    inputs.set(name, tensor);
  }
  const outputs = new Set(back.output.map(({ name }) => name));
  const taken = new Set(front.node.flatMap(({ output }) => output));
  const clash = [...outputs].find((name) => name !== undefined && taken.has(name));
  if (clash !== undefined) throw new Error(`both graphs have a tensor named "${clash}"`);
  const rename = (name: string): string => {
    const fed = inputs.get(name);
    if (fed !== undefined) return fed;
    return name === '' || outputs.has(name) ? name : `head/${name}`;
  };
  const nodes = back.node.map(
    (one): OnnxNode => ({
      ...one,
      name: `head/${one.name ?? ''}`,
      input: one.input.map(rename),
      output: one.output.map(rename),
    }),
  );
  const initializer = back.initializer.map((one): OnnxTensor => ({ ...one, name: rename(one.name ?? '') }));
  return changed(first, {
    graph: changed(front, {
      node: [...front.node, ...nodes],
      initializer: [...front.initializer, ...initializer],
      output: [...back.output],
    }),
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
  });
}
