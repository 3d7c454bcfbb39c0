/**
 * ResNet in the forms of the hubs:
 *
 *     v1      a block's stride is on its first 1×1 convolution (He 2015; Keras)
 *     v1.5    it is on the 3×3 (torchvision, timm, transformers, DINO)
 *     V2      batch normalisation and ReLU come before the convolutions; the stride is in the last block of a stage (Keras)
 *     D       three 3×3 convolutions as the stem, and an average pool before the 1×1 of a shortcut (timm)
 *     Blur    a low-pass filter before each step in resolution (timm)
 *     slim    v1 and V2 of TensorFlow Hub: as in Keras, except the TensorFlow padding of the pool after the stem
 *     TAO     of NVIDIA: no pool after the stem, a convolution in every shortcut, padding of TensorFlow
 */
import type { GraphDraft } from './draft.ts';
import type { Map4, Padding } from './geometry.ts';
import type { Layers } from './layers.ts';
import { type Built, namesOfOutputs } from './network.ts';

/** Names of layers in the source; `block` and `stage` count from 0. */
export interface ResnetNames {
  readonly stem: string;
  readonly stemNorm: string;
  conv(stage: number, block: number, index: number): string;
  norm(stage: number, block: number, index: number): string;
  shortcut(stage: number, block: number): string;
  shortcutNorm(stage: number, block: number): string;
  /** Name of a block, for its output in the graph. */
  block(stage: number, block: number): string;
  /** Batch normalisation before a block, and after the last one; only for V2. */
  preact?(stage: number, block: number): string;
  readonly post?: string;
}

export interface ResnetForm {
  readonly names: ResnetNames;
  /** Blocks of each stage. */
  readonly depths: readonly number[];
  /** Convolutions in a block: 2, or 3 in a bottleneck. */
  readonly convolutions: 2 | 3;
  /** Which of them has the stride, from 0. */
  readonly strided: 0 | 1;
  readonly kind: 'v1' | 'v2';
  readonly stem: 'plain' | 'deep';
  readonly blur: boolean;
  /** Whether an average pool applies the stride of a shortcut. */
  readonly pooledShortcut: boolean;
  readonly padding: Padding;
  /** Padding of the pool after the stem; undefined: no pool. */
  readonly stemPool: Padding | undefined;
}

/** 18, 34, 50, 101 or 152; undefined for other depths. */
export function depthOf({
  depths,
  convolutions,
}: Pick<ResnetForm, 'depths' | 'convolutions'>): number | undefined {
  const known: Readonly<Record<string, number>> = {
    '2,2,2,2:2': 18,
    '3,4,6,3:2': 34,
    '3,4,6,3:3': 50,
    '3,4,23,3:3': 101,
    '3,8,36,3:3': 152,
  };
  return known[`${depths}:${convolutions}`];
}

/** Number of blocks of each stage, counted by their first convolutions. */
export function depthsOf(layers: Layers, names: ResnetNames): number[] {
  return [0, 1, 2, 3].map((stage) => {
    let count = 0;
    while (count < 200 && layers.has(names.conv(stage, count, 0))) count++;
    return count;
  });
}

/** The stride of a block: from the file, or else from the architecture. */
function strideOf({ layers }: GraphDraft, form: ResnetForm, stage: number, block: number): number {
  const { names, strided, kind, depths, stemPool } = form;
  const said = layers.strideOf(names.conv(stage, block, kind === 'v2' ? 1 : strided));
  if (said !== undefined) return said;
  if (kind === 'v2') return stage < 3 && block === depths[stage]! - 1 ? 2 : 1;
  if (block > 0) return 1;
  // Without a pool after the stem, TAO has each stride one stage earlier.
  return stemPool ? (stage === 0 ? 1 : 2) : stage === 3 ? 1 : 2;
}

/** @throws QcError weights-… */
export async function buildResnet(draft: GraphDraft, form: ResnetForm): Promise<Built> {
  const { names, depths, kind } = form;
  const maps = new Map<string, Map4>();
  let map = await stem(draft, form);
  maps.set('stem', map);
  const blocks = depths.flatMap((count, stage) =>
    Array.from({ length: count }, (_, block) => ({ stage, block })),
  );
  const strides = blocks.map(({ stage, block }) => strideOf(draft, form, stage, block));
  const outputs = namesOfOutputs(
    blocks.map(({ stage, block }) => names.block(stage, block)),
    strides,
    form.stemPool ? 4 : 2,
  );
  for (const [i, { stage, block }] of blocks.entries()) {
    const make = kind === 'v2' ? preactivated : residual;
    map = await make(draft, form, map, { stage, block, stride: strides[i]!, output: outputs[i]! });
    maps.set(outputs[i]!, map);
    maps.set(names.block(stage, block), map);
  }
  if (kind === 'v2') map = draft.relu(await draft.norm(map, names.post!), 'post_relu');
  return { maps, output: map };
}

async function stem(draft: GraphDraft, form: ResnetForm): Promise<Map4> {
  const { names, kind, padding, blur } = form;
  const first = { stride: 2, padding };
  if (kind === 'v2') {
    const map = await draft.conv(draft.input, names.stem, first);
    if (form.stemPool === 'same') return draft.maxPool(map, 3, 2, 'same', 'stem');
    // It may be negative here: the zeros of Keras around it count as values.
    return draft.maxPoolOverZeros(map, 3, 2, 1, 'stem');
  }
  let map: Map4;
  if (form.stem === 'deep') {
    map = draft.relu(
      await draft.conv(draft.input, `${names.stem}.0`, { norm: `${names.stem}.1`, stride: 2 }),
    );
    map = draft.relu(await draft.conv(map, `${names.stem}.3`, { norm: `${names.stem}.4` }));
    map = await draft.conv(map, `${names.stem}.6`, { norm: names.stemNorm });
  } else {
    map = await draft.conv(draft.input, names.stem, { ...first, norm: names.stemNorm });
  }
  map = draft.relu(map, form.stemPool ? 'stem.relu' : 'stem');
  if (!form.stemPool) return map;
  return blur
    ? draft.blurPool(draft.maxPool(map, 3, 1, 'half', 'stem.pool'), 'stem')
    : draft.maxPool(map, 3, 2, form.stemPool, 'stem');
}

interface Block {
  readonly stage: number;
  readonly block: number;
  readonly stride: number;
  readonly output: string;
}

/** conv, BN, ReLU, …, conv, BN, added to the shortcut, ReLU */
async function residual(draft: GraphDraft, form: ResnetForm, from: Map4, at: Block): Promise<Map4> {
  const { names, convolutions, strided, padding, blur } = form;
  const { stage, block, stride, output } = at;
  let map = from;
  for (let index = 0; index < convolutions; index++) {
    const isStrided = index === strided && stride > 1;
    map = await draft.conv(map, names.conv(stage, block, index), {
      norm: names.norm(stage, block, index),
      stride: isStrided && !blur ? stride : 1,
      padding,
    });
    if (index === convolutions - 1) break;
    map = draft.relu(map);
    if (isStrided && blur) map = draft.blurPool(map, `${names.block(stage, block)}.blur`);
  }
  return draft.relu(draft.add(map, await shortcut(draft, form, from, at), `${output}.sum`), output);
}

async function shortcut(draft: GraphDraft, form: ResnetForm, from: Map4, { stage, block, stride }: Block) {
  const { names, pooledShortcut } = form;
  const layer = names.shortcut(stage, block);
  if (!draft.layers.has(layer)) return from;
  const norm = names.shortcutNorm(stage, block);
  if (!pooledShortcut || stride === 1) return draft.conv(from, layer, { norm, stride });
  // ceil_mode: an odd last row or column is a window of its own.
  const end = (size: number) => size % 2;
  const pads = [0, 0, end(from.height), end(from.width)] as const;
  return draft.conv(draft.averagePool(from, 2, 2, pads, `${layer}.pool`), layer, { norm });
}

/** BN, ReLU, conv, BN, ReLU, conv, BN, ReLU, conv, added to the shortcut (Keras ResNetV2) */
async function preactivated(draft: GraphDraft, form: ResnetForm, from: Map4, at: Block): Promise<Map4> {
  const { names } = form;
  const { stage, block, stride, output } = at;
  const before = draft.relu(await draft.norm(from, names.preact!(stage, block)));
  const name = names.shortcut(stage, block);
  let aside = from;
  if (draft.layers.has(name)) aside = await draft.conv(before, name, { stride });
  else if (stride > 1)
    aside = draft.maxPool(from, 1, stride, [0, 0, 0, 0], `${names.block(stage, block)}.pool`);
  let map = draft.relu(
    await draft.conv(before, names.conv(stage, block, 0), { norm: names.norm(stage, block, 0) }),
  );
  map = draft.relu(
    await draft.conv(map, names.conv(stage, block, 1), { norm: names.norm(stage, block, 1), stride }),
  );
  map = await draft.conv(map, names.conv(stage, block, 2));
  return draft.add(map, aside, output);
}
