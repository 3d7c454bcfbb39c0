/** VGG16 and VGG19 without batch normalisation: 3×3 convolutions with ReLU in five blocks, each ended by a max pool. */
import type { WeightFile } from '../read/tensors.ts';
import type { GraphDraft } from './draft.ts';
import type { Map4 } from './geometry.ts';
import { kerasLayers, mismatch, plainName, torchLayers } from './layers.ts';
import { type Built, caffe, imagenet, type Network, prefixesOf } from './network.ts';
import { normalisationOf } from './preprocessing.ts';

/** @throws QcError weights-… */
export function recogniseVgg(file: WeightFile): Network | undefined {
  const names = [...file.tensors.keys()];
  const [keras] = prefixesOf(names.map(plainName), ['block1_conv1/kernel', 'block5_conv3/kernel']);
  if (keras !== undefined) {
    const layers = kerasLayers(file, { prefix: keras, epsilon: 1e-3 });
    const blocks = [1, 2, 3, 4, 5].map((block) =>
      [1, 2, 3, 4].map((conv) => `block${block}_conv${conv}`).filter((layer) => layers.has(layer)),
    );
    const common = { source: 'Keras applications', prefix: keras, layers, preprocessing: caffe };
    return { name: nameOf(blocks), ...common, build: (draft) => buildVgg(draft, blocks) };
  }
  const [torch] = prefixesOf(names, ['features.0.weight', 'features.2.weight', 'features.28.weight']);
  if (torch === undefined) return undefined;
  const layers = torchLayers(file, { prefix: torch, epsilon: 1e-5 });
  const common = {
    source: 'torchvision',
    prefix: torch,
    layers,
    preprocessing: normalisationOf(file) ?? imagenet,
  };
  const blocks = torchBlocks(layers.has);
  return { name: nameOf(blocks), ...common, build: (draft) => buildVgg(draft, blocks) };
}

/** "features.N": convolutions and ReLUs are counted together, and a pool counts as one more. */
function torchBlocks(has: (layer: string) => boolean): string[][] {
  const blocks: string[][] = [[]];
  let last = 0;
  for (let i = 0; i < 60; i++) {
    if (!has(`features.${i}`)) continue;
    if (i - last > 2) blocks.push([]);
    blocks.at(-1)!.push(`features.${i}`);
    last = i;
  }
  return blocks;
}

function nameOf(blocks: readonly (readonly string[])[]): string {
  const counts = blocks.map(({ length }) => length).join();
  if (counts === '2,2,3,3,3') return 'VGG16';
  if (counts === '2,2,4,4,4') return 'VGG19';
  throw mismatch(`it looks like a VGG, but its blocks have ${counts} convolutions`);
}

async function buildVgg(draft: GraphDraft, blocks: readonly (readonly string[])[]): Promise<Built> {
  const maps = new Map<string, Map4>();
  let map = draft.input;
  for (const [i, block] of blocks.entries()) {
    for (const [k, layer] of block.entries()) {
      // The last map before a pool is the last one of its stride: the third block ends at stride 4.
      const isStage = k === block.length - 1 && i >= 2;
      map = draft.relu(await draft.conv(map, layer), isStage ? `stage${i - 1}` : `${layer}.relu`);
      if (isStage) maps.set(`stage${i - 1}`, map);
    }
    map = draft.maxPool(map, 2, 2, [0, 0, 0, 0], `block${i + 1}_pool`);
    maps.set(`block${i + 1}_pool`, map);
  }
  return { maps, output: map };
}
