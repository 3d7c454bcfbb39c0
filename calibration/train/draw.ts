/** Fewer frames than there are, fairly. */
import { seededRandom } from './random.ts';

/** All frames, or an even draw over the labels where they are too many; the same seed, the same frames. */
export function drawEvenly<Frame extends { readonly label: string }>(
  frames: readonly Frame[],
  most: number,
  seed: number,
): readonly Frame[] {
  if (frames.length <= most) return frames;
  const byLabel = new Map<string, Frame[]>();
  for (const frame of seededRandom(seed).shuffled([...frames])) {
    byLabel.set(frame.label, [...(byLabel.get(frame.label) ?? []), frame]);
  }
  const drawn: Frame[] = [];
  for (let round = 0; drawn.length < most; round++) {
    for (const one of byLabel.values()) if (one[round] && drawn.length < most) drawn.push(one[round]!);
  }
  return drawn;
}
