/** Recognises a ResNet by the names of its layers, with the publisher's preparation of images. */
import { z } from 'zod';
import { check } from '../../../config/check.ts';
import type { WeightFile } from '../read/tensors.ts';
import { kerasLayers, mismatch, plainName, torchLayers } from './layers.ts';
import { caffe, imagenet, type Network, prefixesOf, symmetric } from './network.ts';
import { normalisationOf } from './preprocessing.ts';
import { buildResnet, depthOf, depthsOf, type ResnetForm, type ResnetNames } from './resnet.ts';
import { slimSource } from './resnet-slim.ts';
import { plain, type Source } from './resnet-source.ts';

/** torchvision, timm, DINO: "layer1.0.conv1". */
const torchvision: ResnetNames = {
  stem: 'conv1',
  stemNorm: 'bn1',
  conv: (stage, block, index) => `layer${stage + 1}.${block}.conv${index + 1}`,
  norm: (stage, block, index) => `layer${stage + 1}.${block}.bn${index + 1}`,
  shortcut: (stage, block) => `layer${stage + 1}.${block}.downsample.0`,
  shortcutNorm: (stage, block) => `layer${stage + 1}.${block}.downsample.1`,
  block: (stage, block) => `layer${stage + 1}.${block}`,
};

/** The same after an average pool. */
const pooled: ResnetNames = {
  ...torchvision,
  shortcut: (stage, block) => `layer${stage + 1}.${block}.downsample.1`,
  shortcutNorm: (stage, block) => `layer${stage + 1}.${block}.downsample.2`,
};

const transformers: ResnetNames = {
  stem: 'embedder.embedder.convolution',
  stemNorm: 'embedder.embedder.normalization',
  conv: (stage, block, index) => `encoder.stages.${stage}.layers.${block}.layer.${index}.convolution`,
  norm: (stage, block, index) => `encoder.stages.${stage}.layers.${block}.layer.${index}.normalization`,
  shortcut: (stage, block) => `encoder.stages.${stage}.layers.${block}.shortcut.convolution`,
  shortcutNorm: (stage, block) => `encoder.stages.${stage}.layers.${block}.shortcut.normalization`,
  block: (stage, block) => `encoder.stages.${stage}.layers.${block}`,
};

/** Keras applications: "conv2_block1_1_conv" is the first convolution of the first stage. */
const keras: ResnetNames = {
  stem: 'conv1_conv',
  stemNorm: 'conv1_bn',
  conv: (stage, block, index) => `conv${stage + 2}_block${block + 1}_${index + 1}_conv`,
  norm: (stage, block, index) => `conv${stage + 2}_block${block + 1}_${index + 1}_bn`,
  shortcut: (stage, block) => `conv${stage + 2}_block${block + 1}_0_conv`,
  shortcutNorm: (stage, block) => `conv${stage + 2}_block${block + 1}_0_bn`,
  block: (stage, block) => `conv${stage + 2}_block${block + 1}`,
  preact: (stage, block) => `conv${stage + 2}_block${block + 1}_preact_bn`,
  post: 'post_bn',
};

/** TAO: "block_1a_conv_1". */
const tao: ResnetNames = {
  stem: 'conv1',
  stemNorm: 'bn_conv1',
  conv: (stage, block, index) => `${taoBlock(stage, block)}_conv_${index + 1}`,
  norm: (stage, block, index) => `${taoBlock(stage, block)}_bn_${index + 1}`,
  shortcut: (stage, block) => `${taoBlock(stage, block)}_conv_shortcut`,
  shortcutNorm: (stage, block) => `${taoBlock(stage, block)}_bn_shortcut`,
  block: (stage, block) => taoBlock(stage, block),
};
const taoBlock = (stage: number, block: number) =>
  `block_${stage + 1}${String.fromCharCode(97 + (block % 26))}`;

/** @param wanted architecture according to the user. @throws QcError weights-… if it contradicts the file */
export function recogniseResnet(file: WeightFile, wanted?: string): Network | undefined {
  const found =
    torchSource(file, wanted) ??
    transformersSource(file) ??
    kerasSource(file) ??
    taoSource(file) ??
    slimSource(file);
  if (!found) return undefined;
  const { names, layers, source, prefix, preprocessing } = found;
  const depths = depthsOf(layers, names);
  const convolutions = layers.has(names.conv(0, 0, 2)) ? 3 : 2;
  const depth = depthOf({ depths, convolutions });
  if (depth === undefined) throw mismatch(`it looks like a ResNet, but has ${depths.join(', ')} blocks`);
  // A block of two 3×3 convolutions always has its stride on the first one.
  const strided = convolutions === 2 ? 0 : strideWanted(found, wanted);
  const form: ResnetForm = { ...found.form, names, depths, convolutions, strided };
  const version = form.kind === 'v2' || convolutions === 2 ? '' : strided === 0 ? ' v1' : ' v1.5';
  return {
    name: `ResNet${depth}${found.suffix}${found.suffix === '' ? version : ''}`,
    source,
    prefix,
    layers,
    preprocessing,
    build: (draft) => buildResnet(draft, form),
  };
}

function strideWanted({ form, isStrideOpen, source }: Source, wanted: string | undefined): 0 | 1 {
  const said =
    wanted === undefined
      ? undefined
      : /-?v1(?:\.0)?$/.test(wanted)
        ? 0
        : /-?v1\.5$/.test(wanted)
          ? 1
          : undefined;
  if (said === undefined || said === form.strided) return form.strided;
  if (!isStrideOpen)
    throw mismatch(`${wanted} was asked for, but ${source} has its stride on the other convolution`);
  return said;
}

const architectureSchema = z.object({ architecture: z.string().max(200) });

function torchSource(file: WeightFile, wanted: string | undefined): Source | undefined {
  const names = [...file.tensors.keys()];
  const deep = prefixesOf(names, ['conv1.0.weight', 'conv1.6.weight', 'layer1.0.conv1.weight']);
  const [prefix = deep[0]] = prefixesOf(names, ['conv1.weight', 'bn1.running_mean', 'layer1.0.conv1.weight']);
  if (prefix === undefined) return undefined;
  const isDeep = deep.includes(prefix);
  const said = check(architectureSchema, file.config);
  const timm = said.success ? said.data.architecture : undefined;
  if (timm !== undefined && !/^(?:resnet\d+d?|resnetblur\d+)$/.test(timm))
    throw mismatch(`config.json says ${timm}, which is not rebuilt`);
  const blur = (wanted ?? timm ?? '').startsWith('resnetblur');
  const layers = torchLayers(file, { prefix, epsilon: 1e-5 });
  // A block of constant width has no shortcut.
  const isPooled = [...file.tensors].some(
    ([name, { shape }]) =>
      name.startsWith(prefix) && name.endsWith('.downsample.1.weight') && shape.length === 4,
  );
  return {
    source: timm === undefined ? 'torchvision' : 'timm',
    names: isPooled ? pooled : torchvision,
    preprocessing: normalisationOf(file) ?? imagenet,
    layers,
    prefix,
    form: { ...plain, strided: 1, stem: isDeep ? 'deep' : 'plain', blur, pooledShortcut: isPooled },
    suffix: blur ? ' BlurPool' : isDeep ? 'd' : '',
    isStrideOpen: timm === undefined,
  };
}

const transformersSchema = z.object({
  downsample_in_bottleneck: z.boolean().optional(),
  downsample_in_first_stage: z.literal(false).optional(),
  hidden_act: z.literal('relu').optional(),
});

function transformersSource(file: WeightFile): Source | undefined {
  const [prefix] = prefixesOf(file.tensors.keys(), [
    `${transformers.stem}.weight`,
    `${transformers.conv(0, 0, 0)}.weight`,
  ]);
  if (prefix === undefined) return undefined;
  const config = check(transformersSchema, file.config ?? {});
  if (!config.success) {
    const [issue] = config.error.issues;
    throw mismatch(`config.json: ${issue?.path.join('.')} is not what a ResNet50 has: ${issue?.message}`);
  }
  return {
    source: 'transformers',
    names: transformers,
    preprocessing: normalisationOf(file) ?? imagenet,
    layers: torchLayers(file, { prefix, epsilon: 1e-5 }),
    prefix,
    form: { ...plain, strided: config.data.downsample_in_bottleneck ? 0 : 1 },
    suffix: '',
    isStrideOpen: file.config === undefined,
  };
}

function kerasSource(file: WeightFile): Source | undefined {
  const names = [...file.tensors.keys()].map(plainName);
  const [prefix] = prefixesOf(names, [`${keras.stem}/kernel`, `${keras.conv(0, 0, 0)}/kernel`]);
  if (prefix === undefined) return undefined;
  const layers = kerasLayers(file, { prefix, epsilon: 1.001e-5 });
  const isV2 =
    names.includes(`${prefix}conv2_block1_preact_bn/gamma`) ||
    // Folded away, but in V2 the stem has no batch normalisation that its shortcut has.
    names.includes(`${prefix}post_bn/gamma`);
  return {
    source: 'Keras applications',
    names: keras,
    preprocessing: isV2 ? symmetric : caffe,
    layers,
    prefix,
    form: { ...plain, kind: isV2 ? 'v2' : 'v1', strided: isV2 ? 1 : 0 },
    suffix: isV2 ? 'V2' : '',
  };
}

function taoSource(file: WeightFile): Source | undefined {
  const names = [...file.tensors.keys()].map(plainName);
  const [prefix] = prefixesOf(names, [`${tao.stem}/kernel`, `${tao.conv(0, 0, 0)}/kernel`]);
  if (prefix === undefined) return undefined;
  return {
    source: 'NVIDIA TAO',
    names: tao,
    preprocessing: caffe,
    layers: kerasLayers(file, { prefix, epsilon: 1e-3 }),
    prefix,
    form: { ...plain, strided: 0, padding: 'same', stemPool: undefined },
    suffix: ' (TAO)',
  };
}
