/** Drawn feature maps of parts, for tests of what is learned from them. */
import { type GoodCells, openGoodCells } from '../calibration/train/good-cells.ts';
import { seededRandom } from '../calibration/train/random.ts';
import type { FeatureMaps } from '../models/run/runner.ts';

export const [fine, coarse] = [8, 4];
const sizes = {
  stage2: { channels: 12, height: fine, width: fine },
  stage3: { channels: 20, height: coarse, width: coarse },
};

/** Maps of a part; a defect raises some channels of one cell of stage 2. */
export function drawnMaps(seed: number, defect?: { readonly at: number }): FeatureMaps {
  const random = seededRandom(seed);
  const map = (channels: number, side: number) => ({
    channels,
    height: side,
    width: side,
    data: Float32Array.from(
      { length: channels * side * side },
      (_, i) => 1 + Math.sin(i) + 0.3 * random.next() * (1 + ((i % side) / side) * 2),
    ),
  });
  const stage2 = map(sizes.stage2.channels, fine);
  const stage3 = map(sizes.stage3.channels, coarse);
  if (defect) for (let c = 0; c < 6; c++) stage2.data[c * fine * fine + defect.at]! += 3;
  return { stage2, stage3 };
}

/** Cells of such maps. */
export const drawnCells = (
  mapsOf: (frame: { readonly id: string }) => FeatureMaps,
  maxBytes?: number,
): GoodCells =>
  openGoodCells({
    sizes,
    mapsOf: async (frame) => mapsOf(frame),
    seed: 1,
    ...(maxBytes !== undefined && { maxBytes }),
  });
