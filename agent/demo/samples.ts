/** Labelled still images of the region of the demo line's camera, for training a first head. */

import { mixSeeds, seededRandom } from '../../calibration/train/random.ts';
import type { Image } from '../../models/image.ts';
import { openDecoder } from './decode.ts';
import { openEncoder } from './encode.ts';
import { layoutOf } from './layout.ts';
import { type Label, labels, paintPart, planPart } from './part.ts';
import { anyLight, openScene } from './scene.ts';

export interface SampleOptions {
  /** Number of samples of each defect; twice as many good ones. */
  readonly perLabel: number;
  readonly seed: number;
  /** Size of the camera's image, pixels; the samples are its region. */
  readonly width?: number;
  readonly height?: number;
}

export interface Sample {
  readonly image: Image;
  readonly label: Label;
}

/** Good parts occur twice: they vary in the same way as defects, and most parts of the line are good. */
const turns: readonly Label[] = ['good', ...labels];
/** Number of samples in one round of all labels. */
export const samplesPerRound = turns.length;
/** Number of belts: each has its own weave and dirt, which a head must not learn. */
const belts = 4;

/**
 * Draws samples of all labels in turn (good twice) and passes each through the H.264 encoder and decoder, so that a head
 * learns the effect of compression. The same seed gives the same samples.
 */
export async function* drawSamples(options: SampleOptions): AsyncGenerator<Sample, void> {
  const { perLabel, seed, width = 640, height = 480 } = options;
  const layout = layoutOf(width, height);
  const scenes = Array.from({ length: belts }, (_, belt) => openScene(width, height, mixSeeds(seed, belt)));
  await using encoder = await openEncoder({ codec: 'h264', width, height, fps: 12 });
  await using decoder = openDecoder(width, height);
  // Maximum offset of a part that is completely inside the region.
  const reach = layout.regionSide / 2 - layout.partRadius;

  for (let index = 0; index < perLabel; index++) {
    for (const [which, label] of turns.entries()) {
      const random = seededRandom(mixSeeds(seed, 7, index, which));
      const scene = scenes[random.integer(belts)]!;
      const light = anyLight(random);
      const sprite = paintPart(planPart(label, random), layout.partRadius, light.angle);
      const x = layout.centre.x + random.between(-reach, reach);
      const y = layout.centre.y + random.between(-layout.sidestep, layout.sidestep);
      const travel = random.integer(width);
      // The part moves slowly, because most images of a stream are coded as differences from the previous one.
      const step = random.between(0.02, 0.2) * layout.partRadius;
      let shown: Image | undefined;
      for (const back of random.next() < 0.2 ? [0] : [2, 1, 0]) {
        const placed = [{ sprite, x: x - back * step, y }];
        const drawn = scene.draw(travel - back * step, placed, light, random.integer(2 ** 31));
        const { data } = await encoder.encode(drawn, shown === undefined);
        shown = decoder.decode(data);
      }
      if (shown)
        yield { image: cutSquare(shown, layout.centre.x, layout.centre.y, layout.regionSide), label };
    }
  }
}

function cutSquare(image: Image, x: number, y: number, wanted: number): Image {
  const side = Math.round(wanted);
  const left = Math.round(x - wanted / 2);
  const top = Math.round(y - wanted / 2);
  const data = new Uint8Array(side * side * 3);
  for (let row = 0; row < side; row++) {
    const from = ((top + row) * image.width + left) * 3;
    data.set(image.data.subarray(from, from + side * 3), row * side * 3);
  }
  return { width: side, height: side, data };
}
