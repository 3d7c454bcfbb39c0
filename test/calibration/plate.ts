/** Generated parts that differ in one place, and a base with feature maps that can detect it. */
import { seededRandom } from '../../calibration/train/random.ts';
import type { Image } from '../../models/image.ts';
import { valueInfo } from '../../models/onnx/build.ts';
import { changed } from '../../models/onnx/proto.ts';
import { tinyMapped, writeMapped } from '../models/tiny-mapped.ts';
import { tinyManifest } from '../models/tiny-model.ts';

export const plateSide = 96;

/** Noise on grey; a stain is a white square somewhere. */
export function plate(label: 'good' | 'stain', seed: number): Image {
  const random = seededRandom(seed + (label === 'good' ? 0 : 1_000_000));
  const data = Uint8Array.from({ length: plateSide * plateSide * 3 }, () => 90 + random.integer(30));
  if (label === 'stain') {
    const [left, top] = [random.integer(plateSide - 24), random.integer(plateSide - 24)];
    for (let y = top; y < top + 24; y++) {
      for (let x = left; x < left + 24; x++) data.set([250, 250, 250], (y * plateSide + x) * 3);
    }
  }
  return { width: plateSide, height: plateSide, data };
}

/** Returns the path for `model.base` and the input of that base. */
export async function writePlateBase(folder: string) {
  const { graph, ...rest } = tinyMapped();
  const wide = {
    ...rest,
    graph: changed(graph!, { input: [valueInfo('data', ['N', 3, plateSide, plateSide])] }),
  };
  const input = { ...tinyManifest(new Uint8Array()).input, width: plateSide, height: plateSide };
  return { base: await writeMapped(folder, { input }, wide), input };
}
