/** Putting one graph behind another. */
import type { OnnxModel, OnnxNode, OnnxTensor } from './proto.ts';
import { changed } from './proto.ts';

/**
 * One model: `second`, whose only input is fed from `tensor` of `first`. Names inside `second` are prefixed, so that they meet
 * none of `first`; its outputs keep theirs. The operator set is that of `first`.
 * Throws where `second` has other inputs, or where `first` uses an older operator set.
 */
export function join(
  first: OnnxModel,
  tensor: string,
  second: OnnxModel,
  metadata: Readonly<Record<string, string>>,
): OnnxModel {
  const [front, back] = [first.graph, second.graph];
  if (!front || !back) throw new Error('both models need a graph');
  const weights = new Set(back.initializer.map(({ name }) => name));
  const inputs = back.input.filter(({ name }) => !weights.has(name));
  if (inputs.length !== 1) throw new Error(`the second graph has ${inputs.length} inputs, not one`);
  const outputs = new Set(back.output.map(({ name }) => name));
  const taken = new Set(front.node.flatMap(({ output }) => output));
  const clash = [...outputs].find((name) => name !== undefined && taken.has(name));
  if (clash !== undefined) throw new Error(`both graphs make a tensor named "${clash}"`);
  const rename = (name: string): string => {
    if (name === inputs[0]!.name) return tensor;
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
