/** Measures the latency of the base on this machine. */
import type { Image } from '../../models/image.ts';
import type { LabelledFrame } from '../dataset/frame.ts';
import { imageOfFrame } from '../dataset/read-frame.ts';

/** Latency of the base for one image, median of five, ms. @param look one run of it */
export async function latencyOf(
  look: (image: Image) => Promise<unknown>,
  frame: LabelledFrame,
): Promise<number> {
  const image = await imageOfFrame(frame);
  const taken: number[] = [];
  for (let run = 0; run < 5; run++) {
    const began = performance.now();
    await look(image);
    taken.push(performance.now() - began);
  }
  return Number(taken.sort((a, b) => a - b)[2]!.toFixed(1));
}
