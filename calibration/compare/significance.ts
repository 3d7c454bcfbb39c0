/** Paired tests of two bases on the same held-out parts. Pure. */
import { type Random, seededRandom } from '../train/random.ts';

export interface Paired {
  readonly points: number;
  readonly low: number;
  readonly high: number;
  readonly won: number;
  readonly lost: number;
  readonly p: number;
}

const resamples = 2_000;

/**
 * Compares the right answers on the same frames. Frames of one group (a part, a moment, near-duplicates) count as one
 * observation in the test and in the interval: they are right or wrong together.
 * @param group of each frame
 */
export function paired(
  right: readonly boolean[],
  other: readonly boolean[],
  group: readonly number[],
  seed: number,
): Paired {
  const byGroup = new Map<number, { net: number; frames: number }>();
  let won = 0;
  let lost = 0;
  right.forEach((mine, i) => {
    const net = Number(mine) - Number(other[i]!);
    if (net > 0) won++;
    if (net < 0) lost++;
    const before = byGroup.get(group[i]!) ?? { net: 0, frames: 0 };
    byGroup.set(group[i]!, { net: before.net + net, frames: before.frames + 1 });
  });
  const groups = [...byGroup.values()];
  const { low, high } = bootstrap(groups, seededRandom(seed));
  return {
    points: (100 * (won - lost)) / Math.max(1, right.length),
    low: 100 * low,
    high: 100 * high,
    won,
    lost,
    p: signFlip(groups.map(({ net }) => net)),
  };
}

/**
 * Exact two-sided sign-flip test: the probability of such a sum if the sign of each group were random.
 * With one frame per group it is McNemar's exact test (Psychometrika 12, 1947).
 */
function signFlip(nets: readonly number[]): number {
  const sizes = nets.map(Math.abs).filter((size) => size > 0);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  // Probability of each sum, from -total to total.
  let chances = new Float64Array(2 * total + 1);
  chances[total] = 1;
  for (const size of sizes) {
    const next = new Float64Array(chances.length);
    chances.forEach((chance, at) => {
      if (chance === 0) return;
      next[at - size]! += chance / 2;
      next[at + size]! += chance / 2;
    });
    chances = next;
  }
  const seen = Math.abs(nets.reduce((sum, net) => sum + net, 0));
  const p = chances.reduce((sum, chance, at) => sum + (Math.abs(at - total) >= seen ? chance : 0), 0);
  return Math.min(1, p);
}

/** 95 % interval of the mean difference per frame: percentiles over groups drawn with replacement. */
function bootstrap(
  groups: readonly { readonly net: number; readonly frames: number }[],
  random: Random,
): { readonly low: number; readonly high: number } {
  const means = Array.from({ length: resamples }, () => {
    let net = 0;
    let frames = 0;
    for (let i = 0; i < groups.length; i++) {
      const drawn = groups[random.integer(groups.length)]!;
      net += drawn.net;
      frames += drawn.frames;
    }
    return net / Math.max(1, frames);
  }).sort((a, b) => a - b);
  const at = (share: number) => means[Math.round(share * (resamples - 1))]!;
  return { low: at(0.025), high: at(0.975) };
}

/** p-values corrected for their number (Holm, Scandinavian Journal of Statistics 6, 1979), in the same order. */
export function holm(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const corrected = [...values];
  let least = 0;
  order.forEach((i, rank) => {
    least = Math.max(least, Math.min(1, values[i]! * (values.length - rank)));
    corrected[i] = least;
  });
  return corrected;
}
