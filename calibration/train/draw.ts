/** Draws a subset of frames with balanced labels. */
import { seededRandom } from './random.ts';

/** All frames, or at most `max` of them drawn evenly over the labels. The same seed gives the same frames. */
export function drawEvenly<Frame extends { readonly label: string }>(
  frames: readonly Frame[],
  max: number,
  seed: number,
): readonly Frame[] {
  if (frames.length <= max) return frames;
  const byLabel = new Map<string, Frame[]>();
  for (const frame of seededRandom(seed).shuffled([...frames])) {
    byLabel.set(frame.label, [...(byLabel.get(frame.label) ?? []), frame]);
  }
  const drawn: Frame[] = [];
  for (let round = 0; drawn.length < max; round++) {
    for (const one of byLabel.values()) if (one[round] && drawn.length < max) drawn.push(one[round]!);
  }
  return drawn;
}
