/** Recognises the network of the weights in a file. */
import { countedLayers, type LayerOfKind, withNamesInOrder } from '../read/keras.ts';
import { shown, type WeightFile } from '../read/tensors.ts';
import { mismatch } from './layers.ts';
import { recogniseMobilenet } from './mobilenet-sources.ts';
import type { Network } from './network.ts';
import { recogniseResnet } from './resnet-sources.ts';
import { recogniseVgg } from './vgg.ts';

/** Layers of a classifier after the features, and counters of a training. */
const notNeeded =
  /(?:^|[./_])(?:fc|head|classifier|predictions|logits|projector|pre_logits|conv_head|center|num_batches_tracked)(?:[./_]|$)/;

/**
 * @param wanted architecture according to the user, such as "resnet50-v1", if the file does not show it
 * @throws QcError weights-unsupported, which describes the content of the file
 */
export function recogniseNetwork(file: WeightFile, wanted?: string): Network {
  const named = withOrderedNames(file);
  const asked = wanted?.toLowerCase();
  const found = recogniseMobilenet(named) ?? recogniseVgg(named) ?? recogniseResnet(named, asked);
  if (!found) {
    const names = [...file.tensors.keys()].slice(0, 5).map(shown).join(', ');
    throw mismatch(`${file.tensors.size} tensors (${names} …) belong to no known network`);
  }
  if (asked !== undefined && !fits(asked, found.name)) {
    throw mismatch(
      `${asked} was asked for, but these are the weights of ${found.name} (${found.source} names)`,
    );
  }
  return found;
}

/** "resnet50", "resnet50-v1.5" and "resnetblur50" against "ResNet50 v1.5" and "ResNet50 BlurPool". */
function fits(asked: string, name: string): boolean {
  const plain = (text: string) => text.toLowerCase().replace(/[^a-z0-9.]/g, '');
  const [, depth] = /^resnetblur(\d+)$/.exec(asked) ?? [];
  return plain(name).startsWith(depth === undefined ? plain(asked) : `resnet${depth}blurpool`);
}

/**
 * Unused layers inside the network show that it is a different one (squeeze and excite, more convolutions).
 * @throws QcError weights-unsupported that names one
 */
export function requireAllUsed({ layers, name }: Network): void {
  const [strange] = layers.unused().filter((tensor) => !notNeeded.test(tensor));
  if (strange !== undefined)
    throw mismatch(`${shown(strange)} does not belong to a ${name}: the network is another one`);
}

/** Keras 3 only numbers layers in a .weights.h5: finds the network with the same numbers of layers. */
function withOrderedNames(file: WeightFile): WeightFile {
  const counts = countedLayers(file.tensors);
  if (!counts) return file;
  const found = kerasNetworks.find(({ layers }) =>
    kinds.every(
      ([kind, counted]) => layers.filter((one) => one.kind === kind).length === (counts.get(counted) ?? 0),
    ),
  );
  if (!found) {
    const said = [...counts].map(([kind, count]) => `${count} ${kind}`).join(', ');
    throw mismatch(
      `its layers have no names, and no known network has ${said}`,
      'use the .keras or .h5 of the same model',
    );
  }
  return { ...file, tensors: withNamesInOrder(found.name, file.tensors, found.layers) };
}

const kinds = [
  ['Conv2D', 'conv2d'],
  ['BatchNormalization', 'batch_normalization'],
  ['DepthwiseConv2D', 'depthwise_conv2d'],
] as const;

const conv = (name: string): LayerOfKind => ({ kind: 'Conv2D', name });
const norm = (name: string): LayerOfKind => ({ kind: 'BatchNormalization', name });

/** ResNet v1 in the order of Keras: by distance from the output, with the shortcut next to the last convolution. */
function resnet(depths: readonly number[]): LayerOfKind[] {
  const blocks = depths.flatMap((count, stage) =>
    Array.from({ length: count }, (_, block) => {
      const at = `conv${stage + 2}_block${block + 1}`;
      const order = block === 0 ? [1, 2, 0, 3] : [1, 2, 3];
      return order.flatMap((i) => [conv(`${at}_${i}_conv`), norm(`${at}_${i}_bn`)]);
    }),
  );
  return [conv('conv1_conv'), norm('conv1_bn'), ...blocks.flat()];
}

/** V2: its last convolution of a block and its shortcut have no batch normalisation, the stem has none either. */
function resnetV2(depths: readonly number[]): LayerOfKind[] {
  const blocks = depths.flatMap((count, stage) =>
    Array.from({ length: count }, (_, block) => {
      const at = `conv${stage + 2}_block${block + 1}`;
      const shortcut = block === 0 ? [conv(`${at}_0_conv`)] : [];
      const first = [norm(`${at}_preact_bn`), conv(`${at}_1_conv`), norm(`${at}_1_bn`)];
      return [...first, conv(`${at}_2_conv`), norm(`${at}_2_bn`), ...shortcut, conv(`${at}_3_conv`)];
    }),
  );
  return [conv('conv1_conv'), ...blocks.flat(), norm('post_bn')];
}

const vgg = (counts: readonly number[]): LayerOfKind[] =>
  counts.flatMap((count, block) =>
    Array.from({ length: count }, (_, i) => conv(`block${block + 1}_conv${i + 1}`)),
  );

const kerasNetworks: readonly { readonly name: string; readonly layers: readonly LayerOfKind[] }[] = [
  { name: 'ResNet50', layers: resnet([3, 4, 6, 3]) },
  { name: 'ResNet101', layers: resnet([3, 4, 23, 3]) },
  { name: 'ResNet152', layers: resnet([3, 8, 36, 3]) },
  { name: 'ResNet50V2', layers: resnetV2([3, 4, 6, 3]) },
  { name: 'ResNet101V2', layers: resnetV2([3, 4, 23, 3]) },
  { name: 'ResNet152V2', layers: resnetV2([3, 8, 36, 3]) },
  { name: 'VGG16', layers: vgg([2, 2, 3, 3, 3]) },
  { name: 'VGG19', layers: vgg([2, 2, 4, 4, 4]) },
];
