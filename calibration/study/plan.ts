/** Which parts a study has, and in which order each operator sees them. Pure. */
import type { LabelledFrame } from '../dataset/frame.ts';
import { mixSeeds, type Random, seededRandom } from '../train/random.ts';

/** At most `count` frames of different parts, balanced over the labels as far as they have enough, in random order. */
export function chooseParts(
  frames: readonly LabelledFrame[],
  count: number,
  random: Random,
): readonly LabelledFrame[] {
  const seen = new Set<string>();
  const byLabel = new Map<string, LabelledFrame[]>();
  for (const frame of random.shuffled(frames)) {
    const part = frame.partId ?? frame.id;
    if (seen.has(part)) continue;
    seen.add(part);
    byLabel.set(frame.label, [...(byLabel.get(frame.label) ?? []), frame]);
  }
  const chosen: LabelledFrame[] = [];
  for (let left = [...byLabel.values()]; left.length > 0; left = left.filter(({ length }) => length > 0))
    for (const ofLabel of random.shuffled(left)) {
      if (chosen.length === count) return random.shuffled(chosen);
      const next = ofLabel.pop();
      if (next) chosen.push(next);
    }
  return random.shuffled(chosen);
}

/** Numbers of the parts as this operator sees them: every part once in each trial, in another random order each time. */
export function orderOf(
  { seed, trials, parts }: { readonly seed: number; readonly trials: number; readonly parts: number },
  operator: number,
): readonly number[] {
  const all = Array.from({ length: parts }, (_, part) => part);
  const order: number[] = [];
  for (let trial = 0; trial < trials; trial++) {
    const random = seededRandom(mixSeeds(seed, operator, trial));
    const next = random.shuffled(all);
    // Nobody sees the same part twice in a row.
    if (parts > 1 && next[0] === order.at(-1)) next.push(next.shift()!);
    order.push(...next);
  }
  return order;
}
