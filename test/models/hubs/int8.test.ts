/**
 * Int8 variants of the fixtures. Random weights amplify noise: 1 % noise of the input becomes 20 % at stage 3 of the ResNets in
 * float already (docs/bases.md). So most of them fail the gate, and those that do not amplify it pass.
 */
import { expect, test } from 'vitest';
import { openBase } from '../../../models/base.ts';
import { importBase } from '../../../models/hubs/import.ts';
import { decodeModel } from '../../../models/onnx/proto.ts';
import { quantizeBase } from '../../../models/quantize/quantize.ts';
import { tempFolder } from '../temp-folder.ts';
import { pieces, unpacked } from './fixtures.ts';

async function int8Of(path: string, folder: string) {
  const { file } = await importBase({
    path: await unpacked(path, folder),
    storageDirectory: folder,
    features: 'last',
    size: { width: 96, height: 96 },
  });
  const base = await openBase({ base: file, precision: 'auto' });
  const images = (await pieces(12)).map((image) => async () => image);
  const options = { threads: 1, method: 'minmax', source: 'pictures', revision: null } as const;
  return quantizeBase(base, images, { ...options, onProgress: () => undefined });
}

test('VGG16 passes the gate', async () => {
  await using folder = await tempFolder();
  const { report } = await int8Of('keras/vgg16/model.keras', folder.path);
  expect(report.passed).toBe(true);
  expect(report.quantization.correlation).toBeGreaterThan(0.999);
});

test('ResNet50 with random weights is refused with the figure', async () => {
  await using folder = await tempFolder();
  const { report } = await int8Of('torchvision/resnet50-small-dino-full.pth', folder.path);
  expect(report.passed).toBe(false);
  expect(report.reason).toMatch(
    /^its (?:features|map stage[23]) correlates? 0\.\d{4} with the float ones?, at least 0\.9[79]/,
  );
});

test('batch normalisation that tf2onnx wrote as factors and offsets is folded into the convolutions', async () => {
  await using folder = await tempFolder();
  const { model } = await int8Of('onnx/tf2onnx-nhwc.onnx', folder.path);
  const operators = decodeModel(model).graph!.node.map(({ opType }) => opType);
  expect(operators.filter((operator) => operator === 'Mul')).toEqual([]);
  expect(operators.filter((operator) => operator === 'Add')).toHaveLength(16);
});
