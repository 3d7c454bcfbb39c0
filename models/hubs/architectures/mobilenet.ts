/**
 * MobileNetV2 and V3: blocks of a 1×1 convolution that widens, a depthwise one, in some blocks of V3 a weight for each channel
 * (squeeze and excite), and a 1×1 that narrows without an activation.
 */
import type { GraphDraft } from './draft.ts';
import type { Map4, Padding } from './geometry.ts';
import { type Built, namesOfOutputs } from './network.ts';

/** Names of layers in the source: a convolution and its batch normalisation. */
export type Pair = readonly [conv: string, norm: string];

export interface BlockNames {
  /** Name of its output in the graph. */
  readonly block: string;
  /** Undefined if the block does not increase the channels. */
  readonly expand: Pair | undefined;
  readonly depthwise: Pair;
  /** The two convolutions of squeeze and excite. */
  readonly squeeze: readonly [string, string] | undefined;
  readonly project: Pair;
}

type Activation = 'relu' | 'relu6' | 'hardSwish';

export interface MobilenetForm {
  readonly stem: Pair;
  readonly blocks: readonly (BlockNames & { readonly stride: number; readonly activation: Activation })[];
  readonly last: Pair;
  /** Of stem and last convolution. */
  readonly activation: Activation;
  readonly padding: 'half' | 'keras';
}

/** Strides of the blocks, and the first block of V3 with h-swish. */
export const variants = {
  MobileNetV2: { strides: [1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1], swishFrom: undefined },
  'MobileNetV3 Small': { strides: [2, 2, 1, 2, 1, 1, 1, 1, 2, 1, 1], swishFrom: 3 },
  'MobileNetV3 Large': { strides: [1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1], swishFrom: 6 },
} as const;

/** @throws QcError weights-… */
export async function buildMobilenet(draft: GraphDraft, form: MobilenetForm): Promise<Built> {
  const { stem, blocks, last, activation } = form;
  const maps = new Map<string, Map4>();
  const stemPadding = form.padding === 'keras' ? 'same' : 'half';
  const first = await draft.conv(draft.input, stem[0], { norm: stem[1], stride: 2, padding: stemPadding });
  maps.set('stem.conv', first);
  let map = draft[activation](first, 'stem');
  maps.set('stem', map);
  const outputs = namesOfOutputs(
    blocks.map(({ block }) => block),
    blocks.map(({ stride }) => stride),
    2,
  );
  for (const [i, names] of blocks.entries()) {
    map = await invertedResidual(draft, form, map, names, outputs[i]!);
    maps.set(outputs[i]!, map);
    maps.set(names.block, map);
  }
  const wide = await draft.conv(map, last[0], { norm: last[1] });
  maps.set('last.conv', wide);
  return { maps, output: draft[activation](wide, 'last') };
}

async function invertedResidual(
  draft: GraphDraft,
  { padding }: MobilenetForm,
  from: Map4,
  { expand, depthwise, squeeze, project, stride, activation }: MobilenetForm['blocks'][number],
  output: string,
): Promise<Map4> {
  let map = from;
  if (expand) map = draft[activation](await draft.conv(map, expand[0], { norm: expand[1] }));
  const wide = await draft.conv(map, depthwise[0], {
    norm: depthwise[1],
    stride,
    padding: padding === 'keras' && stride > 1 ? kerasPads(draft.layers.shapeOf(depthwise[0])[2]) : 'half',
    depthwise: true,
  });
  map = draft[activation](wide);
  if (squeeze) map = await excited(draft, map, squeeze);
  const isAdded = stride === 1 && draft.layers.shapeOf(project[0])[0] === from.channels;
  map = await draft.conv(map, project[0], { norm: project[1], ...(!isAdded && { tensor: output }) });
  return isAdded ? draft.add(map, from, output) : map;
}

/**
 * Before a depthwise convolution with a stride, Keras pads with ZeroPadding2D for images of an even size: one row less at
 * the top than at the bottom. This is also used for odd sizes if the size of the input is free.
 */
function kerasPads(kernel: number): Padding {
  const half = kernel >> 1;
  return [half - 1, half - 1, half, half];
}

async function excited(
  draft: GraphDraft,
  map: Map4,
  [reduce, widen]: readonly [string, string],
): Promise<Map4> {
  const small = draft.relu(await draft.conv(draft.globalAverage(map), reduce));
  const weights = draft.hardSigmoid(await draft.conv(small, widen));
  return draft.multiply(map, weights, `${map.tensor}.excited`);
}
