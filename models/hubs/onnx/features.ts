/** Chooses the tensor of a graph from which features are computed. */
import { findMaps, lastMap, poolsOf } from '../../onnx/maps.ts';
import { patchOf } from '../../onnx/patches.ts';
import type { OnnxGraph } from '../../onnx/proto.ts';
import { tokensOf } from './transformer.ts';

export interface FoundFeatures {
  readonly tensor: string;
  /** Whether a map has its channels last. */
  readonly isChannelsLast: boolean;
  /** Pixels per side of a patch; undefined for other networks than transformers. */
  readonly patch: number | undefined;
  /** Average and maximum of these maps of stages 2 and 3 instead. */
  readonly stages?: readonly string[];
  readonly because: string;
}

/**
 * The tensor before the classifier: a pooled output, the tokens of a transformer, or the last map.
 * @param input of images [N,3,H,W]
 * @param wanted replaces the choice
 * @returns undefined if there is none
 */
export function findFeatures(
  graph: OnnxGraph,
  input: string,
  wanted: { readonly tensor?: string | undefined; readonly stages?: true | undefined } = {},
): FoundFeatures | undefined {
  const patch = patchOf(graph, input);
  const common = { patch, isChannelsLast: false };
  const because = 'set by --features';
  if (wanted.tensor !== undefined) return { ...common, tensor: wanted.tensor, because };
  if (wanted.stages) {
    const [first, last] = findMaps(graph, { name: input, layout: 'NCHW' }).map(({ tensor }) => tensor);
    return first !== undefined && last !== undefined
      ? { ...common, tensor: last, stages: [first, last], because }
      : undefined;
  }
  if (patch !== undefined) {
    const tokens = tokensOf(graph);
    return tokens === undefined
      ? undefined
      : { ...common, tensor: tokens, because: `tokens of patches of ${patch}×${patch} pixels` };
  }
  const outputs = graph.output.map(({ name }) => name ?? '');
  const pooled = outputs.find((name) => poolsOf(graph, name) !== undefined);
  if (pooled !== undefined) return { ...common, tensor: pooled, because: 'this output is pooled from a map' };
  const last = lastMap(graph, { name: input, layout: 'NCHW' });
  if (!last) {
    const [only, more] = outputs;
    return only === undefined || more !== undefined
      ? undefined
      : { ...common, tensor: only, because: 'it is the only output' };
  }
  const isClassifier = outputs.every((name) => name !== last.tensor);
  return {
    ...common,
    tensor: last.tensor,
    isChannelsLast: last.axis === 3,
    because: isClassifier ? 'it is the last map before the classifier' : 'this output is the last map',
  };
}
