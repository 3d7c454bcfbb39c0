/**
 * ResNets of TF-Slim, published on TensorFlow Hub: "resnet_v1_50/block1/unit_1/bottleneck_v1/conv1/weights". Slim has the
 * stride of a stage in the 3×3 convolution of its last unit and subsamples the shortcut there
 * (research/slim/nets/resnet_v1.py). That gives the same values as the stride on the first 1×1 convolutions of the next
 * stage, where the graph has it for v1.
 */
import type { NamedTensor, WeightFile } from '../read/tensors.ts';
import { kerasLayers, plainName } from './layers.ts';
import { type Preprocessing, prefixesOf, symmetric } from './network.ts';
import type { ResnetNames } from './resnet.ts';
import { plain, type Source } from './resnet-source.ts';

const namesOf = (version: 'v1' | 'v2'): ResnetNames => {
  const unit = (stage: number, block: number) => `block${stage + 1}_unit_${block + 1}_bottleneck_${version}`;
  return {
    stem: 'conv1',
    stemNorm: 'conv1_bn',
    conv: (stage, block, index) => `${unit(stage, block)}_conv${index + 1}`,
    norm: (stage, block, index) => `${unit(stage, block)}_conv${index + 1}_bn`,
    shortcut: (stage, block) => `${unit(stage, block)}_shortcut`,
    shortcutNorm: (stage, block) => `${unit(stage, block)}_shortcut_bn`,
    block: unit,
    preact: (stage, block) => `${unit(stage, block)}_preact`,
    post: 'postnorm',
  };
};

/** VGG's means, in the order red, green, blue: v1 was trained with them (preprocessing_factory.py), V2 with -1 to 1. */
const vggMeans: Preprocessing = {
  channels: 'RGB',
  scale: 1,
  mean: [123.68, 116.779, 103.939],
  std: [1, 1, 1],
};

export function slimSource(file: WeightFile): Source | undefined {
  const renamed = withKerasNames(file);
  const names = [...renamed.tensors.keys()].map(plainName);
  for (const version of ['v1', 'v2'] as const) {
    const own = namesOf(version);
    const [prefix] = prefixesOf(names, [`${own.stem}/kernel`, `${own.conv(0, 0, 0)}/kernel`]);
    if (prefix === undefined) continue;
    return {
      source: 'TF-Slim',
      names: own,
      preprocessing: version === 'v1' ? vggMeans : symmetric,
      layers: kerasLayers(renamed, { prefix, epsilon: 1e-5 }),
      prefix,
      form: { ...plain, kind: version, strided: version === 'v1' ? 0 : 1, stemPool: 'same' },
      suffix: version === 'v1' ? '' : 'V2',
    };
  }
  return undefined;
}

/** Slim calls the kernel of a convolution "weights". */
function withKerasNames(file: WeightFile): WeightFile {
  const tensors = new Map<string, NamedTensor>();
  for (const [name, tensor] of file.tensors) {
    const renamed = name.replace(/\/weights$/, '/kernel').replace(/\/biases$/, '/bias');
    tensors.set(renamed, { ...tensor, name: renamed });
  }
  return { ...file, tensors };
}
