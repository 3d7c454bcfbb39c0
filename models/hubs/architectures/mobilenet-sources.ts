/** Recognising a MobileNet by the names of its layers. */
import { z } from 'zod';
import { check } from '../../../config/check.ts';
import type { WeightFile } from '../read/tensors.ts';
import { kerasLayers, type Layers, mismatch, plainName, torchLayers } from './layers.ts';
import { type BlockNames, buildMobilenet, type MobilenetForm, type Pair, variants } from './mobilenet.ts';
import { imagenet, type Network, type Preprocessing, prefixesOf, symmetric } from './network.ts';
import { normalisationOf } from './preprocessing.ts';

interface Source {
  readonly source: string;
  readonly prefix: string;
  readonly layers: Layers;
  readonly preprocessing: Preprocessing;
  readonly stem: Pair;
  readonly last: Pair;
  readonly padding: MobilenetForm['padding'];
  /** Names of a block; undefined after the last one. */
  block(index: number): BlockNames | undefined;
}

/** @throws QcError weights-… */
export function recogniseMobilenet(file: WeightFile): Network | undefined {
  const found = kerasV2(file) ?? kerasV3(file) ?? timm(file) ?? torchvision(file);
  if (!found) return undefined;
  const { source, prefix, layers, preprocessing, stem, last, padding } = found;
  const names: BlockNames[] = [];
  for (let i = 0; i < 100; i++) {
    const block = found.block(i);
    if (!block) break;
    names.push(block);
  }
  const hasSqueeze = names.some(({ squeeze }) => squeeze);
  const variant = Object.entries(variants).find(([, { strides }]) => strides.length === names.length);
  if (!variant) throw mismatch(`it looks like a MobileNet, but has ${names.length} blocks`);
  const [name, { strides, swishFrom }] = variant;
  const isV2 = swishFrom === undefined;
  // Keras' "minimalistic" form of V3 has neither squeeze and excite nor h-swish.
  const swish = hasSqueeze ? 'hardSwish' : 'relu';
  const form: MobilenetForm = {
    stem,
    last,
    padding,
    activation: isV2 ? 'relu6' : swish,
    blocks: names.map((block, i) => ({
      ...block,
      stride: strides[i]!,
      activation: isV2 ? 'relu6' : i < swishFrom ? 'relu' : swish,
    })),
  };
  return { name, source, prefix, layers, preprocessing, build: (draft) => buildMobilenet(draft, form) };
}

function kerasV2(file: WeightFile): Source | undefined {
  const [prefix] = prefixesOf([...file.tensors.keys()].map(plainName), [
    'conv1/kernel',
    'block_16_project/kernel',
  ]);
  return prefix === undefined
    ? undefined
    : keras(file, prefix, {
        stem: ['conv1', 'bn_conv1'],
        block: (i) => (i === 0 ? 'expanded_conv' : `block_${i}`),
      });
}

function kerasV3(file: WeightFile): Source | undefined {
  const [prefix] = prefixesOf([...file.tensors.keys()].map(plainName), [
    'conv/kernel',
    'expanded_conv_1_project/kernel',
  ]);
  return prefix === undefined
    ? undefined
    : keras(file, prefix, {
        stem: ['conv', 'conv_bn'],
        block: (i) => (i === 0 ? 'expanded_conv' : `expanded_conv_${i}`),
      });
}

interface KerasNames {
  readonly stem: Pair;
  readonly block: (index: number) => string;
}

function keras(file: WeightFile, prefix: string, { stem, block }: KerasNames): Source {
  const layers = kerasLayers(file, { prefix, epsilon: 1e-3 });
  const pair = (layer: string): Pair => [layer, `${layer}_bn`];
  return {
    source: 'Keras applications',
    prefix,
    layers,
    // V3 scales in the network, with the same result.
    preprocessing: symmetric,
    stem,
    last: pair('conv_1'),
    padding: 'keras',
    block(index) {
      const name = block(index);
      if (!layers.has(`${name}_depthwise`)) return undefined;
      const squeeze = `${name}_squeeze_excite_conv`;
      return {
        block: name,
        expand: layers.has(`${name}_expand`) ? pair(`${name}_expand`) : undefined,
        depthwise: pair(`${name}_depthwise`),
        squeeze: layers.has(squeeze) ? [squeeze, `${squeeze}_1`] : undefined,
        project: pair(`${name}_project`),
      };
    },
  };
}

const architectureSchema = z.object({ architecture: z.string().max(200) });

/** "blocks.2.1.conv_pw": blocks are numbered within stages. */
function timm(file: WeightFile): Source | undefined {
  const [prefix] = prefixesOf(file.tensors.keys(), ['conv_stem.weight', 'blocks.0.0.conv_dw.weight']);
  if (prefix === undefined) return undefined;
  const said = check(architectureSchema, file.config);
  if (said.success && !/^mobilenetv[23]_/.test(said.data.architecture))
    throw mismatch(`config.json says ${said.data.architecture}, which is not rebuilt`);
  const layers = torchLayers(file, { prefix, epsilon: 1e-5 });
  const places = [0, 1, 2, 3, 4, 5, 6].flatMap((stage) =>
    [0, 1, 2, 3, 4, 5].map((block) => `blocks.${stage}.${block}`),
  );
  const blocks = places.filter((place) => layers.has(`${place}.conv_dw`));
  const last = places.find((place) => layers.has(`${place}.conv`));
  return {
    source: 'timm',
    prefix,
    layers,
    preprocessing: normalisationOf(file) ?? imagenet,
    stem: ['conv_stem', 'bn1'],
    last: last === undefined ? ['conv_head', 'bn2'] : [`${last}.conv`, `${last}.bn1`],
    padding: 'half',
    block(index) {
      const at = blocks[index];
      if (at === undefined) return undefined;
      const squeeze: readonly [string, string] = [`${at}.se.conv_reduce`, `${at}.se.conv_expand`];
      const widens = layers.has(`${at}.conv_pwl`);
      return {
        block: at,
        expand: widens ? [`${at}.conv_pw`, `${at}.bn1`] : undefined,
        depthwise: [`${at}.conv_dw`, widens ? `${at}.bn2` : `${at}.bn1`],
        squeeze: layers.has(squeeze[0]) ? squeeze : undefined,
        project: widens ? [`${at}.conv_pwl`, `${at}.bn3`] : [`${at}.conv_pw`, `${at}.bn2`],
      };
    },
  };
}

/** "features.2.conv.0.0" (V2) and "features.2.block.0.0" (V3): parts of a block are numbered, and some blocks have fewer. */
function torchvision(file: WeightFile): Source | undefined {
  const names = [...file.tensors.keys()];
  const [prefix] = ['conv', 'block'].flatMap((part) =>
    prefixesOf(names, ['features.0.0.weight', `features.1.${part}.0.0.weight`]),
  );
  if (prefix === undefined) return undefined;
  const inner = names.includes(`${prefix}features.1.conv.0.0.weight`) ? 'conv' : 'block';
  // In torchvision, V3 has another epsilon than V2.
  const layers = torchLayers(file, { prefix, epsilon: inner === 'conv' ? 1e-5 : 1e-3 });
  let last = 1;
  while (last < 100 && layers.has(`features.${last + 1}.${inner}.0.0`)) last++;
  return {
    source: 'torchvision',
    prefix,
    layers,
    preprocessing: normalisationOf(file) ?? imagenet,
    stem: ['features.0.0', 'features.0.1'],
    last: [`features.${last + 1}.0`, `features.${last + 1}.1`],
    padding: 'half',
    block(index) {
      const at = `features.${index + 1}.${inner}`;
      if (index + 1 > last) return undefined;
      const parts = [0, 1, 2, 3]
        .filter((part) => layers.has(`${at}.${part}.0`))
        .map((part) => `${at}.${part}`);
      const squeezed = [0, 1, 2, 3].map((part) => `${at}.${part}`).find((part) => layers.has(`${part}.fc1`));
      const squeeze: readonly [string, string] | undefined =
        squeezed === undefined ? undefined : [`${squeezed}.fc1`, `${squeezed}.fc2`];
      const convs = parts.map((part): Pair => [`${part}.0`, `${part}.1`]);
      // V2 has its last convolution outside such a part: "conv.2" and "conv.3".
      const plain = [1, 2].find((part) => layers.has(`${at}.${part}`) && !layers.has(`${at}.${part}.0`));
      if (inner === 'conv' && plain !== undefined) convs.push([`${at}.${plain}`, `${at}.${plain + 1}`]);
      const [project, depthwise, expand] = convs.toReversed();
      if (!project || !depthwise) throw mismatch(`${at} is not a block of a MobileNet`);
      return { block: `features.${index + 1}`, expand, depthwise, squeeze, project };
    },
  };
}
