/** Assigns images to cross-validation folds. */
import { seededRandom } from './random.ts';

export interface Grouped {
  readonly label: string;
  /** Images of one group are always in the same fold. */
  readonly group: number;
}

/**
 * Stratified group k-fold: assigns every image a fold, 0 to folds - 1, keeps groups together and distributes labels evenly.
 * The largest groups are assigned first, each to the fold with the fewest images of its label.
 */
export function foldsOf(images: readonly Grouped[], folds: number, seed: number): number[] {
  const members = new Map<number, number[]>();
  images.forEach(({ group }, i) => {
    members.set(group, [...(members.get(group) ?? []), i]);
  });
  const groups = seededRandom(seed)
    .shuffled([...members.values()])
    .sort((a, b) => b.length - a.length);
  const filled = Array.from({ length: folds }, () => new Map<string, number>());
  const sizes = new Array<number>(folds).fill(0);
  const fold = new Array<number>(images.length).fill(0);
  for (const group of groups) {
    const { label } = images[group[0]!]!;
    const count = (f: number) => filled[f]!.get(label) ?? 0;
    let best = 0;
    for (let f = 1; f < folds; f++) {
      if (count(f) < count(best) || (count(f) === count(best) && sizes[f]! < sizes[best]!)) best = f;
    }
    for (const i of group) {
      fold[i] = best;
      const name = images[i]!.label;
      filled[best]!.set(name, (filled[best]!.get(name) ?? 0) + 1);
    }
    sizes[best]! += group.length;
  }
  return fold;
}
