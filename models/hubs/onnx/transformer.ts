/**
 * Vision transformers (ViT, DINOv2): tokens [N,T,C]: a class token and registers, then one for each patch of the image. The
 * class token is the feature vector; the patches are arranged as maps. Maps of heads are not negative (models/cells.ts), so
 * each channel is split into its positive and its negative part. Stage 3 is the last layer, stage 2 a layer in the middle
 * with cells repeated to twice the width and height, as in a convolutional base.
 */
import { node, shapeTensor } from '../../onnx/build.ts';
import { attributeList } from '../../onnx/maps.ts';
import type { OnnxGraph, OnnxNode, OnnxTensor } from '../../onnx/proto.ts';
import { integersOf } from '../../onnx/tensors.ts';
import { dominatorsOf } from './dominators.ts';

/** The tensor with all tokens after the last layer. */
export function tokensOf(graph: OnnxGraph): string | undefined {
  const named = graph.output.find(({ name }) => name === 'last_hidden_state');
  const ranked = graph.output.find(({ type }) => type?.tensorType?.shape?.dim.length === 3);
  const shown = named ?? ranked;
  if (shown?.name) return shown.name;
  const made = new Map(graph.node.flatMap((one) => one.output.map((name) => [name, one] as const)));
  // A classifier reads the class token, or the mean of the others.
  let tensor = graph.output[0]?.name ?? '';
  for (let steps = 0; steps < 50; steps++) {
    const maker = made.get(tensor);
    if (!maker) return undefined;
    const from = maker.input.find((name) => made.has(name)) ?? '';
    if (choosesTokens(maker, graph)) {
      const before = made.get(from);
      return before && choosesTokens(before, graph) ? before.input[0] : from;
    }
    tensor = from;
  }
  return undefined;
}

/** Gather, Slice or ReduceMean along the tokens. */
function choosesTokens(one: OnnxNode, graph: OnnxGraph): boolean {
  const integers = (name: string | undefined) => {
    const tensor =
      graph.initializer.find((weight) => weight.name === name) ??
      graph.node.find(({ opType, output }) => opType === 'Constant' && output[0] === name)?.attribute[0]?.t;
    return tensor ? integersOf(tensor) : [];
  };
  switch (one.opType) {
    case 'Gather':
      return one.attribute.some(({ name, i }) => name === 'axis' && Number(i) === 1);
    case 'Slice':
      return (one.input[3] ? integers(one.input[3]) : attributeList(one, 'axes')).join() === '1';
    case 'ReduceMean':
      return (one.input[1] ? integers(one.input[1]) : attributeList(one, 'axes')).join() === '1';
    default:
      return false;
  }
}

/** Sums of the residual stream before `tokens`, in order: those through which all data passes. */
export function residualSums(graph: OnnxGraph, input: string, tokens: string): string[] {
  const dominators = dominatorsOf(graph, input);
  const sums = new Set(
    graph.node.flatMap(({ opType, input: from, output }) =>
      opType === 'Add' && from.every(dominators.has) ? [output[0] ?? ''] : [],
    ),
  );
  return dominators.pathTo(tokens).filter((name) => sums.has(name) && name !== tokens);
}

export interface TokenGrid {
  readonly tokens: string;
  /** A layer in the middle with the same shape. */
  readonly middle: string;
  readonly channels: number;
  /** Tokens before those of the patches: class token, registers. */
  readonly before: number;
  readonly rows: number;
  readonly columns: number;
}

/** Patches of an image, and the number of other tokens before them; undefined if the number of tokens does not match. */
export function gridOf(
  count: number,
  { width, height }: { readonly width: number; readonly height: number },
  patch: number,
): Pick<TokenGrid, 'before' | 'rows' | 'columns'> | undefined {
  const [rows, columns] = [Math.floor(height / patch), Math.floor(width / patch)];
  const before = count - rows * columns;
  return before >= 0 && before <= maxBefore ? { before, rows, columns } : undefined;
}
const maxBefore = 16;

/** Nodes for `features` and the maps. @param name makes an unused name */
export function tokenGraph(
  { tokens, middle, channels, before, rows, columns }: TokenGrid,
  name: (wanted: string) => string,
) {
  const nodes: OnnxNode[] = [];
  const weights: OnnxTensor[] = [];
  const add = (operator: string, from: readonly string[], wanted: string, attributes = {}) => {
    const output = name(wanted);
    nodes.push(node(operator, from, [output], attributes));
    return output;
  };
  const integers = (wanted: string, values: readonly number[]) => {
    const tensor = shapeTensor(name(wanted), values);
    weights.push(tensor);
    return tensor.name!;
  };
  const places = Array.from({ length: rows * columns }, (_, i) => before + i);
  const patches = integers('patches', places);
  const grid = integers('grid', [0, channels, rows, columns]);
  /** [N,T,C] → [N,C,rows,columns] */
  const placed = (from: string, wanted: string) => {
    const chosen = add('Gather', [from, patches], `${wanted}/patches`, { axis: 1 });
    const turned = add('Transpose', [chosen], `${wanted}/turned`, { perm: [0, 2, 1] });
    return add('Reshape', [turned, grid], `${wanted}/signed`);
  };
  const split = (from: string, wanted: string) => {
    const negative = add('Neg', [from], `${wanted}/negative`);
    return add('Relu', [add('Concat', [from, negative], `${wanted}/both`, { axis: 1 })], wanted);
  };
  const last = placed(tokens, 'stage3');
  const pooled =
    before > 0
      ? add('Gather', [tokens, integers('first', [0])], 'class token', { axis: 1 })
      : add('GlobalAveragePool', [last], 'mean of patches');
  const features = add('Flatten', [pooled], 'features', { axis: 1 });
  const stage3 = split(last, 'stage3');
  const half = split(placed(middle, 'stage2'), 'stage2/half');
  const wide = 2 * channels;
  const apart = add('Reshape', [half, integers('apart', [0, wide, rows, 1, columns, 1])], 'stage2/apart');
  const down = add('Concat', [apart, apart], 'stage2/down', { axis: 3 });
  const across = add('Concat', [down, down], 'stage2/across', { axis: 5 });
  const stage2 = add('Reshape', [across, integers('twice', [0, wide, 2 * rows, 2 * columns])], 'stage2');
  return { nodes, weights, features, stage2, stage3 };
}
