/** Which pictures are held out together. */
import { seededRandom } from './random.ts';

export interface Grouped {
  readonly label: string;
  /** Pictures of one group never sit on both sides of a split. */
  readonly group: number;
}

/**
 * Gives every picture a fold, 0 to folds - 1: groups stay together, labels spread evenly (stratified group k-fold).
 * The largest groups are placed first, each where its label is rarest.
 */
export function foldsOf(pictures: readonly Grouped[], folds: number, seed: number): number[] {
  const members = new Map<number, number[]>();
  pictures.forEach(({ group }, i) => {
    members.set(group, [...(members.get(group) ?? []), i]);
  });
  const groups = seededRandom(seed)
    .shuffled([...members.values()])
    .sort((a, b) => b.length - a.length);
  const filled = Array.from({ length: folds }, () => new Map<string, number>());
  const sizes = new Array<number>(folds).fill(0);
  const fold = new Array<number>(pictures.length).fill(0);
  for (const group of groups) {
    const { label } = pictures[group[0]!]!;
    const held = (f: number) => filled[f]!.get(label) ?? 0;
    let best = 0;
    for (let f = 1; f < folds; f++) {
      if (held(f) < held(best) || (held(f) === held(best) && sizes[f]! < sizes[best]!)) best = f;
    }
    for (const i of group) {
      fold[i] = best;
      const name = pictures[i]!.label;
      filled[best]!.set(name, (filled[best]!.get(name) ?? 0) + 1);
    }
    sizes[best]! += group.length;
  }
  return fold;
}
