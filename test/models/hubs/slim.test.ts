/**
 * ResNets with the names of TF-Slim. No file of TensorFlow Hub is available, so weights of Keras get these names: on an
 * image whose stem has an odd size both networks compute the same, because only the padding of the pool after the stem
 * differs.
 */
import { expect, test } from 'vitest';
import { GraphDraft } from '../../../models/hubs/architectures/draft.ts';
import { plainName } from '../../../models/hubs/architectures/layers.ts';
import { recogniseNetwork, requireAllUsed } from '../../../models/hubs/architectures/recognise.ts';
import { openWeights } from '../../../models/hubs/read/recognise.ts';
import type { NamedTensor, WeightFile } from '../../../models/hubs/read/tensors.ts';
import { makePrepare } from '../../../models/prepare/prepare.ts';
import { tempFolder } from '../temp-folder.ts';
import { expectedOf, pictureOf, pooledDifference, run, unpacked } from './fixtures.ts';

const size = { width: 97, height: 61 };

async function featuresOf(weights: WeightFile, input: Float32Array): Promise<Float32Array> {
  const network = recogniseNetwork(weights);
  const draft = new GraphDraft(network.layers, size);
  const { output } = await network.build(draft);
  requireAllUsed(network);
  const { model } = draft.finish('test', [output], false);
  return (await run(model, 'input', [], input, size)).get('features')!.data;
}

const withTensors = (file: WeightFile, tensors: readonly NamedTensor[]): WeightFile => ({
  ...file,
  config: undefined,
  tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])),
});

/** "conv2_block1_1_conv" → "resnet_v1_50/block1/unit_1/bottleneck_v1/conv1" */
function slimLayer(layer: string, version: 'v1' | 'v2'): string {
  const root = `resnet_${version}_50`;
  const [, stage, block, rest] = /^conv(\d)_block(\d+)_(.*)$/.exec(layer) ?? [];
  if (stage === undefined) return `${root}/${layer === 'post_bn' ? 'postnorm' : 'conv1'}`;
  const unit = `${root}/block${Number(stage) - 1}/unit_${block}/bottleneck_${version}`;
  const index = Number(/^\d/.exec(rest!)?.[0] ?? -1);
  if (index < 0) return `${unit}/preact`;
  return index === 0 ? `${unit}/shortcut` : `${unit}/conv${index}`;
}

/** A convolution with batch normalisation has no bias in Slim: the bias is moved to the subtracted mean. */
function asSlim(file: WeightFile, version: 'v1' | 'v2'): WeightFile {
  const byName = new Map([...file.tensors.values()].map((tensor) => [plainName(tensor.name), tensor]));
  const renamed = [...byName].flatMap(([name, tensor]): NamedTensor[] => {
    const [layer, weight] = name.replace(/:0$/, '').split('/') as [string, string];
    const normalised = layer.replace(/_conv$/, '_bn');
    const to = slimLayer(layer, version);
    if (weight === 'kernel') return [{ ...tensor, name: `${to}/weights` }];
    if (weight === 'bias') {
      const hasNorm = layer !== normalised && byName.has(`${normalised}/moving_mean`);
      return hasNorm ? [] : [{ ...tensor, name: `${to}/biases` }];
    }
    const isAlone = to.endsWith('/preact') || to.endsWith('/postnorm');
    const norm = { ...tensor, name: `${to}${isAlone ? '' : '/BatchNorm'}/${weight}` };
    const bias = byName.get(`${layer.replace(/_bn$/, '_conv')}/bias`);
    if (weight !== 'moving_mean' || isAlone || !bias) return [norm];
    const read = async () => {
      const offsets = await bias.read();
      return (await tensor.read()).map((value, c) => value - offsets[c]!);
    };
    return [{ ...norm, read }];
  });
  return withTensors(file, renamed);
}

test('v1 gives the features that Keras computes from the same weights', async () => {
  await using folder = await tempFolder();
  const path = await unpacked('tfjs/layers-model-uint8', folder.path);
  await using weights = await openWeights(path);
  const slim = asSlim(weights, 'v1');
  expect(recogniseNetwork(slim)).toMatchObject({
    name: 'ResNet50 v1',
    source: 'TF-Slim',
    preprocessing: { channels: 'RGB', scale: 1, mean: [123.68, 116.779, 103.939] },
  });
  const { cases, tolerance } = await expectedOf({ expected: 'tfjs-resnet50-uint8' });
  const { pooled, picture } = cases.find((one) => !one.picture.includes('224'))!;
  const caffe = { channels: 'BGR', scale: 1, mean: [103.939, 116.779, 123.68], std: [1, 1, 1] } as const;
  const prepare = makePrepare({
    name: 'input',
    layout: 'NCHW',
    ...size,
    ...caffe,
    mean: [...caffe.mean],
    std: [1, 1, 1],
  });
  const features = await featuresOf(slim, prepare(await pictureOf(picture)));
  expect(pooledDifference(pooled, features)).toBeLessThan(tolerance.suggested);
});

test('V2 gives the features of the network with the names of Keras, if the zeros around the stem have no effect', async () => {
  await using folder = await tempFolder();
  await using weights = await openWeights(await unpacked('keras/resnet50v2/model.keras', folder.path));
  // With a bright stem, the zeros around it are never the largest value.
  const bright = [...weights.tensors.values()].map((tensor) =>
    /conv1_conv.*bias/.test(tensor.name)
      ? { ...tensor, read: async () => (await tensor.read()).map((value) => value + 100) }
      : tensor,
  );
  const keras = withTensors(weights, bright);
  const slim = asSlim(keras, 'v2');
  expect(recogniseNetwork(slim)).toMatchObject({
    name: 'ResNet50V2',
    source: 'TF-Slim',
    preprocessing: { channels: 'RGB', scale: 1 / 127.5, mean: [1, 1, 1] },
  });
  const input = Float32Array.from({ length: 3 * 97 * 61 }, (_, i) => Math.sin(i * i));
  const exact = await featuresOf(keras, input);
  // Keras adds 1.001e-5 to variances, Slim 1e-5.
  expect(pooledDifference([...exact], await featuresOf(slim, input))).toBeLessThan(5e-4);
  expect(exact.some((value) => value !== 0)).toBe(true);
});
