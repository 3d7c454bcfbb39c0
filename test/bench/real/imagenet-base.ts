import { createHash } from 'node:crypto';
import { readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import type { baseManifestSchema } from '../../../models/manifest.ts';

/**
 * Puts an ImageNet ResNet50 v2 that ends after stage 3 into the folder, with a manifest beside it.
 * Returns the path to give as `model.base`. @param weights the .onnx, input `data` and output `features`
 */
export async function placeImagenetBase(folder: string, weights: string): Promise<string> {
  const manifest: z.input<typeof baseManifestSchema> = {
    schema: 1,
    name: 'resnet50v2-imagenet-stage3',
    file: 'base.onnx',
    sha256: createHash('sha256')
      .update(await readFile(weights))
      .digest('hex'),
    licence: 'Apache-2.0',
    origin: 'ONNX Model Zoo, resnet50-v2-7, up to the end of stage 3',
    opset: 13,
    precision: 'fp32',
    input: {
      name: 'data',
      layout: 'NCHW',
      width: 224,
      height: 224,
      channels: 'RGB',
      mean: [0.485, 0.456, 0.406],
      std: [0.229, 0.224, 0.225],
    },
    features: { tensor: 'features', pool: 'none', size: 1024 },
  };
  await rm(join(folder, 'base.onnx'), { force: true });
  await symlink(weights, join(folder, 'base.onnx'));
  await writeFile(join(folder, 'base.json'), JSON.stringify(manifest));
  return join(folder, 'base.onnx');
}
