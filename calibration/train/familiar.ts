/** What the head counts as familiar: how near a new part must be to a labelled one. */
import { hellinger } from '../../models/head.ts';
import type { FrameFeatures } from './features.ts';

export interface Familiar {
  /** [M][D], transformed, of length 1. */
  readonly exemplars: readonly Float32Array[];
  /** Cosine with the nearest exemplar below which a part is unfamiliar. */
  readonly least: number;
}

/** Parts like the labelled ones that may be called unfamiliar by mistake. */
const falseAlarms = 0.02;
/** More exemplars cost time at each part and add little. */
const mostExemplars = 500;

/**
 * The limit is a split-conformal quantile (Vovk, Gammerman, Shafer, "Algorithmic learning in a random world", 2005, ch. 4) of
 * the distance, 1 - cosine, of each part to its nearest part of another group: at most 2 % of parts like the labelled ones are
 * called unfamiliar; where too few are labelled for that, the largest distance stands for it.
 * @param group frames of one group never vouch for each other
 */
export function familiarOf(described: readonly FrameFeatures[], group: readonly number[]): Familiar {
  const step = Math.max(1, described.length / mostExemplars);
  const chosen = described
    .map((_, i) => i)
    .filter((i) => Math.floor(i / step) !== Math.floor((i - 1) / step));
  const rows = described.map(({ features }) => hellinger(features));
  const distances = rows.map((row, i) => {
    let nearest = -1;
    for (const j of chosen) if (group[j] !== group[i]) nearest = Math.max(nearest, dot(row, rows[j]!));
    return 1 - nearest;
  });
  const ranked = distances.toSorted((a, b) => a - b);
  const rank = Math.min(ranked.length, Math.ceil((1 - falseAlarms) * (ranked.length + 1)));
  const least = Math.max(-1, 1 - ranked[rank - 1]!);
  return { exemplars: chosen.map((i) => rows[i]!), least };
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let d = 0; d < a.length; d++) sum += a[d]! * b[d]!;
  return sum;
}
