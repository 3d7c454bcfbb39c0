/** A base with maps of stages 2 and 3 and features pooled from them, and a head over all three. */
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type BaseManifest, manifestText } from '../../models/manifest.ts';
import { buildModel, node, valueInfo } from '../../models/onnx/build.ts';
import { encodeModel, type OnnxModel } from '../../models/onnx/proto.ts';
import { openStore } from '../../models/versions/store.ts';
import { weights, writeTiny } from './tiny-model.ts';

const conv = (from: string, kernel: string, to: string, stride: number, side = 3) =>
  node('Conv', [from, kernel], [to], {
    strides: [stride, stride],
    kernel_shape: [side, side],
    pads: Array(4).fill((side - 1) / 2),
  });

/**
 * data [N,3,32,32] → 8×8 → block at stride 8 (`two`, 8 channels) → block at stride 16 (`three`, 6 channels), each with a shortcut
 * and, as in ResNet v1.5, the stride inside → average and maximum of both (`features`, 28).
 */
export function tinyMapped(): OnnxModel {
  return buildModel({
    name: 'tiny-mapped',
    node: [
      conv('data', 'stem', 'stem.out', 2),
      node('Relu', ['stem.out'], ['stem.relu']),
      node('MaxPool', ['stem.relu'], ['pool'], { kernel_shape: [2, 2], strides: [2, 2] }),
      conv('pool', 'a1', 'a1.out', 1, 1),
      node('Relu', ['a1.out'], ['a1.relu']),
      conv('a1.relu', 'a2', 'a2.out', 2),
      conv('pool', 'a.down', 'a.short', 2, 1),
      node('Add', ['a2.out', 'a.short'], ['a.sum']),
      node('Relu', ['a.sum'], ['two']),
      conv('two', 'b1', 'b1.out', 1, 1),
      node('Relu', ['b1.out'], ['b1.relu']),
      conv('b1.relu', 'b2', 'b2.out', 2),
      conv('two', 'b.down', 'b.short', 2, 1),
      node('Add', ['b2.out', 'b.short'], ['b.sum']),
      node('Relu', ['b.sum'], ['three']),
      ...['two', 'three'].flatMap((map) => [
        node('GlobalAveragePool', [map], [`${map}.average`]),
        node('Flatten', [`${map}.average`], [`${map}.average.flat`], { axis: 1 }),
        node('GlobalMaxPool', [map], [`${map}.maximum`]),
        node('Flatten', [`${map}.maximum`], [`${map}.maximum.flat`], { axis: 1 }),
      ]),
      node(
        'Concat',
        ['two.average.flat', 'two.maximum.flat', 'three.average.flat', 'three.maximum.flat'],
        ['features'],
        { axis: 1 },
      ),
    ],
    initializer: [
      weights('stem', [8, 3, 3, 3], 1),
      weights('a1', [4, 8, 1, 1], 2),
      weights('a2', [8, 4, 3, 3], 3),
      weights('a.down', [8, 8, 1, 1], 4),
      weights('b1', [4, 8, 1, 1], 5),
      weights('b2', [6, 4, 3, 3], 6),
      weights('b.down', [6, 8, 1, 1], 7),
    ],
    input: [valueInfo('data', ['N', 3, 32, 32])],
    output: [valueInfo('features', ['N', 28])],
  });
}

export const mappedFeatures = { tensor: 'features', pool: 'none', size: 28 } as const;

export const writeMapped = (folder: string, changes: Partial<BaseManifest> = {}, model = tinyMapped()) =>
  writeTiny(folder, { features: mappedFeatures, ...changes }, model);

/** softmax of two scores: features · w + the largest cells of stage 2 · u, with the mean of stage 3 as further inputs. */
function mappedHead(): OnnxModel {
  return buildModel({
    name: 'head',
    node: [
      node('GlobalMaxPool', ['stage2'], ['largest']),
      node('Flatten', ['largest'], ['cells'], { axis: 1 }),
      node('GlobalAveragePool', ['stage3'], ['mean']),
      node('Flatten', ['mean'], ['third'], { axis: 1 }),
      node('Concat', ['features', 'cells', 'third'], ['all'], { axis: 1 }),
      node('Gemm', ['all', 'weights'], ['scores'], { transB: 1 }),
      node('Softmax', ['scores'], ['probabilities'], { axis: 1 }),
    ],
    initializer: [mappedWeights],
    input: [
      valueInfo('features', ['N', 28]),
      valueInfo('stage2', ['N', 8, 4, 4]),
      valueInfo('stage3', ['N', 6, 2, 2]),
    ],
    output: [valueInfo('probabilities', ['N', 2])],
  });
}

/** [2][28 + 8 + 6] */
export const mappedWeights = weights('weights', [2, 42], 9);

/** Adds a version with a head over features and maps. @returns its name */
export async function storeMappedHead(storage: string, base: BaseManifest): Promise<string> {
  const folder = join(storage, 'models', 'draft');
  await mkdir(folder, { recursive: true });
  const bytes = encodeModel(mappedHead());
  await writeFile(join(folder, 'head.onnx'), bytes);
  await writeFile(
    join(folder, 'manifest.json'),
    manifestText({
      schema: 2,
      version: '2026-11-30.0',
      base: { name: base.name, sha256: base.variantOf ?? base.sha256, features: base.features.tensor },
      labels: ['good', 'scratch'],
      head: { file: 'head.onnx', sha256: createHash('sha256').update(bytes).digest('hex') },
      temperature: 1,
      createdAt: '2026-11-30T12:00:00.000Z',
      training: {},
    }),
  );
  return (await openStore(storage)).add(folder);
}
