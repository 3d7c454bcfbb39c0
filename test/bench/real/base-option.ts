import { join } from 'node:path';
import { placeImagenetBase } from './imagenet-base.ts';

/**
 * The base that an option `--base` names: `embedded`, `imagenet`, or the path of an .onnx with its manifest next to it.
 * @param folder receives the ImageNet base @param data the folder with the test data
 */
export async function baseOf(option: string, folder: string, data: string): Promise<string> {
  if (option === 'embedded') return 'resnet50-embedded';
  if (option !== 'imagenet') return option;
  return await placeImagenetBase(folder, join(data, 'bases', 'resnet50v2-imagenet-stage3.onnx'));
}
