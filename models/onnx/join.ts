/** Putting one graph behind another. */
import type { OnnxModel, OnnxNode, OnnxTensor } from './proto.ts';
import { changed } from './proto.ts';

/**
 * One model: `second`, whose inputs are fed from tensors of `first`. Names inside `second` are prefixed, so that they meet
 * none of `first`; its outputs keep theirs. The operator set is that of `first`.
 * Throws if `second` has inputs that `feed` does not know.
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
    if (tensor === undefined) throw new Error(`nothing feeds the input "${name}" of the second graph`);
    inputs.set(name, tensor);
  }
  const outputs = new Set(back.output.map(({ name }) => name));
  const taken = new Set(front.node.flatMap(({ output }) => output));
  const clash = [...outputs].find((name) => name !== undefined && taken.has(name));
  if (clash !== undefined) throw new Error(`both graphs make a tensor named "${clash}"`);
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
