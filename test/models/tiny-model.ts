/** A small convolutional classifier with 1000 classes, and manifests for it, in two kilobytes. */
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { seededRandom } from '../../calibration/train/random.ts';
import { type BaseManifest, manifestText } from '../../models/manifest.ts';
import { buildModel, floatTensor, node, valueInfo } from '../../models/onnx/build.ts';
import { encodeModel, type OnnxModel } from '../../models/onnx/proto.ts';

export function weights(name: string, dims: number[], seed = 1) {
  const next = seededRandom(seed).next;
  const values = Float32Array.from({ length: dims.reduce((a, b) => a * b) }, () => next() - 0.4);
  return floatTensor(name, dims, values);
}

/** data [N,3,32,32] → conv → relu (`stage`) → average (`flat`, 8 features) → gemm (`logits`, 1000 classes). */
export function tinyClassifier(seed = 1): OnnxModel {
  return buildModel({
    name: 'tiny',
    node: [
      node('Conv', ['data', 'kernel'], ['conv'], { strides: [2, 2], pads: [1, 1, 1, 1] }),
      node('Relu', ['conv'], ['stage']),
      node('GlobalAveragePool', ['stage'], ['pooled']),
      node('Flatten', ['pooled'], ['flat'], { axis: 1 }),
      node('Gemm', ['flat', 'classes', 'offset'], ['logits'], { transB: 1 }),
    ],
    initializer: [
      weights('kernel', [8, 3, 3, 3], seed),
      weights('classes', [1000, 8]),
      weights('offset', [1000]),
    ],
    input: [valueInfo('data', ['N', 3, 32, 32])],
    output: [valueInfo('logits', ['N', 1000])],
  });
}

export function tinyManifest(bytes: Uint8Array, changes: Partial<BaseManifest> = {}): BaseManifest {
  return {
    schema: 1,
    name: 'tiny',
    file: 'tiny.onnx',
    sha256: createHash('sha256').update(bytes).digest('hex'),
    licence: 'Apache-2.0',
    origin: 'random numbers',
    opset: 13,
    precision: 'fp32',
    input: {
      name: 'data',
      layout: 'NCHW',
      width: 32,
      height: 32,
      channels: 'RGB',
      scale: 1 / 255,
      mean: [0.485, 0.456, 0.406],
      std: [0.229, 0.224, 0.225],
    },
    features: { tensor: 'flat', pool: 'none', size: 8 },
    figures: {},
    ...changes,
  };
}

/** Writes tiny.onnx and tiny.json into the folder; returns the path for model.base. */
export async function writeTiny(
  folder: string,
  changes: Partial<BaseManifest> = {},
  model: OnnxModel | Uint8Array = tinyClassifier(),
): Promise<string> {
  const bytes = model instanceof Uint8Array ? model : encodeModel(model);
  await writeFile(join(folder, 'tiny.onnx'), bytes);
  await writeFile(join(folder, 'tiny.json'), manifestText(tinyManifest(bytes, changes)));
  return join(folder, 'tiny.onnx');
}
