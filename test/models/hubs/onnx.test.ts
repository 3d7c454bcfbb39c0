/** ONNX files of exporters become bases with the same values as the original libraries, without a manual manifest. */
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { importBase } from '../../../models/hubs/import.ts';
import { type OnnxChoices, proposeBase } from '../../../models/hubs/onnx/propose.ts';
import { floatTensor, node, valueInfo } from '../../../models/onnx/build.ts';
import { changed, encodeModel, type OnnxGraph, type OnnxModel } from '../../../models/onnx/proto.ts';
import { tempFolder } from '../temp-folder.ts';
import { tinyMapped } from '../tiny-mapped.ts';
import { tinyClassifier } from '../tiny-model.ts';
import { compareOnnx, onnxFixtures, unpackedOnnx } from './compare.ts';
import { placeOf, unpacked } from './fixtures.ts';

test.each(onnxFixtures.filter(({ name }) => placeOf(`onnx/${name}`)))('$name', async (fixture) => {
  await using folder = await tempFolder();
  const path = await unpackedOnnx(fixture.name, folder.path);
  const { input, stages, mapped } = await compareOnnx(path, fixture);
  expect(input).toBeLessThan(1e-4);
  expect(mapped).toBe(true);
  expect(stages.size).toBe(3);
  for (const [stage, difference] of stages) expect(difference, stage).toBeLessThan(fixture.tolerance);
});

async function written(folder: string, model: OnnxModel, name = 'a.onnx'): Promise<string> {
  await writeFile(join(folder, name), encodeModel(model));
  return join(folder, name);
}

test('a graph that scales its input says what it expects; PyTorch layers are not taken for Keras applications', async () => {
  await using folder = await tempFolder();
  const { graph, ...rest } = tinyClassifier();
  const scaled = async (opType: string, value: number, prefix = '') => {
    const first = node(opType, ['data', 'shift'], [`${prefix}scaled`]);
    const nodes = graph!.node.map((one) =>
      changed(one, { input: one.input.map((name) => (name === 'data' ? `${prefix}scaled` : name)) }),
    );
    const initializer = [...graph!.initializer, floatTensor('shift', [1, 1, 1, 1], Float32Array.of(value))];
    const model = { ...rest, graph: changed(graph!, { node: [first, ...nodes], initializer }) };
    const { input, doubts } = await proposeBase(await written(folder.path, model));
    return { scale: Number(input.scale.toFixed(4)), mean: input.mean, doubts: doubts.length };
  };
  const plain = { mean: [0, 0, 0], doubts: 0 };
  expect(await scaled('Sub', 0.485)).toEqual({ scale: 0.0039, ...plain });
  expect(await scaled('Div', 0.229)).toEqual({ scale: 0.0039, ...plain });
  expect(await scaled('Sub', 123.68)).toEqual({ scale: 1, ...plain });
  expect(await scaled('Mul', 1 / 255)).toEqual({ scale: 1, ...plain });
  expect(await scaled('Sub', 0.485, 'StatefulPartitionedCall/convnext_tiny/')).toMatchObject({ scale: 1 });
  expect(await scaled('Sub', 0.485, '/convnext/embeddings/')).toEqual({ scale: 0.0039, ...plain });
});

test('each assumption can be replaced, and replacements are reported', async () => {
  await using folder = await tempFolder();
  const path = await written(folder.path, tinyClassifier());
  const { features, input, findings, doubts } = await proposeBase(path);
  expect(features).toMatchObject({ size: 8, pool: 'none' });
  expect(doubts).toEqual([expect.stringContaining('how images are scaled is assumed')]);
  expect(findings.find(({ what }) => what === 'features')?.value).toBe('8, the average of stage');
  const choices: OnnxChoices = { channels: 'BGR', scale: 1, mean: [1, 2, 3], std: [4, 5, 6], tensor: 'conv' };
  const other = await proposeBase(path, choices);
  expect(other.input).toEqual({ ...input, channels: 'BGR', scale: 1, mean: [1, 2, 3], std: [4, 5, 6] });
  expect(other.doubts).toEqual([]);
  expect(other.from).toBe('the average of conv');
  const logits = await proposeBase(path, { tensor: 'logits' });
  expect(logits.features).toEqual({ tensor: 'logits', pool: 'none', size: 1000 });
});

test.each([7, 9, 13, 17, 23])('operator set %i is read', async (version) => {
  await using folder = await tempFolder();
  const { graph, ...rest } = tinyClassifier();
  // Before IR version 4 weights are inputs too.
  const weights = graph!.initializer.map(({ name = '', dims }) => valueInfo(name, dims.map(Number)));
  const isOld = version < 9;
  const model = {
    ...rest,
    irVersion: isOld ? 3 : 10,
    opsetImport: [{ domain: '', version }],
    graph: { ...graph!, input: [...graph!.input, ...(isOld ? weights : [])] },
  };
  const { opset, features } = await proposeBase(await written(folder.path, model));
  expect({ opset, size: features.size }).toEqual({ opset: version, size: 8 });
});

test('average and maximum of stages 2 and 3', async () => {
  await using folder = await tempFolder();
  const path = await written(folder.path, tinyMapped());
  const { features, maps } = await proposeBase(path, { stages: true });
  expect(features.size).toBe(2 * (8 + 6));
  expect(maps.map(({ tensor }) => tensor)).toEqual(['two', 'three']);
});

test('an export that pools its features itself keeps them, without a manual manifest', async () => {
  await using folder = await tempFolder();
  const path = await written(folder.path, tinyMapped(), 'mapped.onnx');
  const config = { pretrained_cfg: { mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25], license: 'mit' } };
  await writeFile(join(folder.path, 'config.json'), JSON.stringify(config));
  const storageDirectory = join(folder.path, 'storage');
  const request = { path, storageDirectory, features: 'last' } as const;
  const asked: string[] = [];
  const declined = importBase({
    ...request,
    async confirm({ findings }) {
      asked.push(...findings.map(({ what }) => what));
      return false;
    },
  });
  await expect(declined).rejects.toMatchObject({ code: 'import-declined' });
  await expect(importBase({ ...request, architecture: 'resnet50' })).rejects.toMatchObject({
    message: expect.stringContaining('contains its network'),
  });
  expect(asked).toEqual(['input', 'images', 'pixels', 'features', 'maps']);
  expect(await readdir(folder.path)).toEqual(['config.json', 'mapped.onnx']);
  const { manifest } = await importBase({ ...request, confirm: async () => true });
  expect(manifest).toMatchObject({
    name: 'mapped',
    licence: 'mit',
    network: 'convolutional network',
    input: { mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] },
    features: { size: 28 },
    maps: [{ tensor: 'two' }, { tensor: 'three' }],
    check: { image: 'gradient-1' },
  });
});

describe('refused, with what to do', () => {
  const withGraph = (changes: Partial<OnnxGraph>, model = tinyClassifier()) =>
    changed(model, { graph: changed(model.graph!, changes) });
  const nodes = tinyClassifier().graph!.node;
  const opset = (version: number) => changed(tinyClassifier(), { opsetImport: [{ domain: '', version }] });

  test.each<[string, OnnxModel, OnnxChoices, string, string]>([
    ['an old operator set', opset(6), {}, 'version 6 of the ONNX operators; 7 to 23', 'opset_version=17'],
    ['a future operator set', opset(24), {}, 'version 24 of the ONNX operators', 'opset_version=17'],
    [
      'operators of another domain',
      withGraph({ node: [...nodes, { ...node('Magic', ['conv'], ['magic']), domain: 'my.lab' }] }),
      {},
      'uses the operator Magic of "my.lab"',
      'standard operators only',
    ],
    [
      'operators that do not exist',
      withGraph({ node: [node('Convolve', ['data', 'kernel'], ['conv']), ...nodes.slice(1)] }),
      { tensor: 'stage' },
      'onnxruntime cannot run',
      '7 to 23',
    ],
    [
      'two inputs',
      withGraph({ input: [valueInfo('data', ['N', 3, 32, 32]), valueInfo('mask', ['N'])] }),
      {},
      'the graph has to have one input',
      'the image as its only input',
    ],
    [
      'grey images',
      withGraph({ input: [valueInfo('data', ['N', 1, 32, 32])] }),
      { layout: 'NCHW' },
      'its images have 1 channels',
      '3 channels',
    ],
    [
      'sound',
      withGraph({ input: [valueInfo('data', ['N', 16_000])] }),
      {},
      'not a batch of images',
      '[N,3,H,W]',
    ],
    [
      'a circle',
      withGraph({ node: [node('Add', ['data', 'b'], ['a']), node('Relu', ['a'], ['b']), ...nodes] }),
      {},
      'needs its own result',
      'copy the file again',
    ],
    ['a tensor that is not there', tinyClassifier(), { tensor: 'x' }, 'computes "x"', '--features TENSOR'],
    [
      'another size than the graph has',
      tinyClassifier(),
      { size: { width: 64, height: 64 } },
      'takes only images of 32×32 pixels',
      'leave --size out',
    ],
  ])('%s', async (_, model, choices, message, remedy) => {
    await using folder = await tempFolder();
    const path = await written(folder.path, model);
    const refusal = await proposeBase(path, choices).then(
      () => undefined,
      (error) => error,
    );
    expect(refusal?.message).toContain(message);
    expect(refusal?.remedy).toContain(remedy);
  });

  test('missing external weights', async () => {
    await using folder = await tempFolder();
    const path = await unpacked('onnx/dynamo.onnx', folder.path);
    if (!path.startsWith(folder.path)) return;
    await expect(proposeBase(path)).rejects.toMatchObject({
      code: 'model-damaged',
      message: expect.stringContaining('dynamo.onnx.data, which does not exist'),
    });
  });
});
