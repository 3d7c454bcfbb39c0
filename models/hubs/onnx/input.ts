/** The input of images in a graph: its name, layout and size; and the graph with this input as [N,3,H,W]. */
import { QcError } from '../../../config/errors.ts';
import { node } from '../../onnx/build.ts';
import { describe, graphInputs, type TensorFacts } from '../../onnx/graph.ts';
import { attributeList } from '../../onnx/maps.ts';
import {
  changed,
  type OnnxGraph,
  type OnnxModel,
  type OnnxNode,
  type OnnxValueInfo,
} from '../../onnx/proto.ts';

export type Layout = 'NCHW' | 'NHWC';

export interface ImageInput {
  readonly name: string;
  readonly type: string;
  readonly layout: Layout;
  /** Undefined if the graph accepts any size. */
  readonly width: number | undefined;
  readonly height: number | undefined;
  /** Reason for the layout. */
  readonly because: string;
}

const imageTypes = ['float32', 'float16', 'uint8'];

/**
 * @param layout replaces that of the graph
 * @throws QcError model-mismatch if the input is not images with three channels
 */
export function imageInput(file: string, graph: OnnxGraph, layout?: Layout): ImageInput {
  const inputs = graphInputs(graph);
  const refuse = (what: string, remedy: string) =>
    new QcError('model-mismatch', `${file}: ${what}; its inputs are ${describe(inputs)}`, { remedy });
  const [only, second] = inputs;
  if (!only || second)
    throw refuse('the graph has to have one input, the image', 'export it with the image as its only input');
  const { name, type, shape } = only;
  if (!imageTypes.includes(type))
    throw refuse(`an input of ${type} is not supported`, 'export it with a float32 input');
  if (shape && shape.length !== 4)
    throw refuse('the input is not a batch of images', 'export it with four dimensions, [N,3,H,W]');
  const found = layout ? { layout, because: 'set by --layout' } : layoutOf(graph, only);
  if (!found)
    throw refuse('nothing in the graph shows where the channels are', 'set it: --layout NCHW, or NHWC');
  const isLast = found.layout === 'NHWC';
  const channels = shape?.[isLast ? 3 : 1];
  if (typeof channels === 'number' && channels !== 3)
    throw refuse(`its images have ${channels} channels`, 'choose a network for images with 3 channels');
  const [height, width] = shape?.slice(isLast ? 1 : 2, isLast ? 3 : 4) ?? [];
  const fixed = (side: typeof height) => (typeof side === 'number' ? side : undefined);
  return { name, type, ...found, width: fixed(width), height: fixed(height) };
}

function layoutOf(
  graph: OnnxGraph,
  { name, shape }: TensorFacts,
): Pick<ImageInput, 'layout' | 'because'> | undefined {
  const [, second, , last] = shape ?? [];
  if (second === 3 && last !== 3) return { layout: 'NCHW', because: 'its second dimension is 3' };
  if (last === 3 && second !== 3) return { layout: 'NHWC', because: 'its last dimension is 3' };
  // Only the first convolution shows it: in ONNX it reads [N,C,H,W].
  let tensor = name;
  for (let steps = 0; steps < 10; steps++) {
    const reader = graph.node.find((one) => one.input[0] === tensor);
    if (reader?.opType === 'Conv') return { layout: 'NCHW', because: 'a convolution reads it' };
    if (reader?.opType === 'Transpose') {
      const perm = attributeList(reader, 'perm').join();
      return perm === '0,3,1,2' ? { layout: 'NHWC', because: 'a Transpose reads it' } : undefined;
    }
    if (!reader?.output[0]) return undefined;
    tensor = reader.output[0];
  }
  return undefined;
}

/** The graph fed with [N,3,H,W] of this size. A Transpose is added for [N,H,W,3], or its own is removed. */
export function withImagesChannelsFirst(
  model: OnnxModel & { graph: OnnxGraph },
  { name, layout }: Pick<ImageInput, 'name' | 'layout'>,
  { width, height }: { readonly width: number; readonly height: number },
): OnnxModel & { graph: OnnxGraph } {
  const { graph } = model;
  const input = graph.input.map((value) => (value.name === name ? withShape(value, height, width) : value));
  // Shapes of inner tensors may contradict the new size, and runtimes do not need them.
  const shaped = changed(graph, {
    input,
    valueInfo: [],
    output: graph.output.map((value) => changed(value, { type: typeOnly(value) })),
  });
  const ready = layout === 'NCHW' ? shaped : changed(shaped, { node: channelsFirst(graph.node, name) });
  return changed(model, { graph: ready });
}

function withShape(value: OnnxValueInfo, height: number, width: number): OnnxValueInfo {
  const { tensorType } = value.type ?? {};
  const [batch] = tensorType?.shape?.dim ?? [];
  const isFixed = Number(batch?.dimValue ?? 0) > 0;
  const images = isFixed ? { dimValue: Number(batch!.dimValue) } : { dimParam: 'N' };
  const dim = [images, ...[3, height, width].map((dimValue) => ({ dimValue }))];
  return { ...value, type: { tensorType: { elemType: tensorType?.elemType ?? 1, shape: { dim } } } };
}

const typeOnly = ({ type }: OnnxValueInfo): NonNullable<OnnxValueInfo['type']> => ({
  tensorType: { elemType: type?.tensorType?.elemType ?? 1 },
});

function channelsFirst(nodes: readonly OnnxNode[], input: string): OnnxNode[] {
  const readers = nodes.filter((one) => one.input.includes(input));
  const isOwn = (one: OnnxNode) =>
    one.opType === 'Transpose' && attributeList(one, 'perm').join() === '0,3,1,2';
  const renamed = (names: ReadonlyMap<string, string>) => (one: OnnxNode) =>
    one.input.some((name) => names.has(name))
      ? changed(one, { input: one.input.map((name) => names.get(name) ?? name) })
      : one;
  if (readers.every(isOwn)) {
    const same = new Map(readers.map((one) => [one.output[0]!, input]));
    return nodes.filter((one) => !readers.includes(one)).map(renamed(same));
  }
  const turned = `${input}/channels last`;
  return [
    node('Transpose', [input], [turned], { perm: [0, 2, 3, 1] }),
    ...nodes.map(renamed(new Map([[input, turned]]))),
  ];
}
