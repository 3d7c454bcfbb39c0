/** Labelled still images, as the camera of the demo line shows its region: enough to fit a first head. */
import type { Image } from '../../models/image.ts';
import { layoutOf } from './layout.ts';
import { type Label, labels, paintPart, planPart } from './part.ts';
import { mixSeeds, seededRandom } from './random.ts';
import { anyLight, openScene } from './scene.ts';

export interface SampleOptions {
  readonly perLabel: number;
  readonly seed: number;
  /** Size of the camera's picture, pixels; the samples are its region. */
  readonly width?: number;
  readonly height?: number;
}

export interface Sample {
  readonly image: Image;
  readonly label: Label;
}

/** Draws samples one after the other, the labels in turn; the same seed draws the same samples. */
export function* drawSamples(options: SampleOptions): Generator<Sample, void> {
  const { perLabel, seed, width = 640, height = 480 } = options;
  const scene = openScene(width, height, seed);
  const layout = layoutOf(width, height);
  // As far off the centre as a part may be while it is wholly inside the region.
  const reach = layout.regionSide / 2 - layout.partRadius;
  for (let index = 0; index < perLabel; index++) {
    for (const [which, label] of labels.entries()) {
      const random = seededRandom(mixSeeds(seed, 7, index, which));
      const light = anyLight(random);
      const sprite = paintPart(planPart(label, random), layout.partRadius, light.angle);
      const part = {
        sprite,
        x: layout.centre.x + random.between(-reach, reach),
        y: layout.centre.y + random.between(-layout.sidestep, layout.sidestep),
      };
      const picture = scene.draw(random.integer(width), [part], light, random.integer(2 ** 31));
      yield { image: cutSquare(picture, layout.centre.x, layout.centre.y, layout.regionSide), label };
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
