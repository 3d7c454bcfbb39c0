/** Draws a subset: of frames with balanced labels, or of any list at even distances. */
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

/** At most `count` elements at even distances, beginning with the first. */
export function spacedOut<T>(list: readonly T[], count: number): T[] {
  const step = Math.max(1, list.length / count);
  return list.filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step));
}
