/** An offset between two clocks at a time, both ms. */
export interface Point {
  readonly at: number;
  offset: number;
}

/**
 * Theil-Sen estimator (1968): the slope is the median of the slopes of all pairs, robust against a quarter of outliers.
 * `spreadMs` is twice the median distance of the points from the line, ms.
 * @param points at least two, at different times
 */
export function lineThrough(points: readonly Point[]): { slope: number; spreadMs: number } {
  const slopes: number[] = [];
  for (const [index, one] of points.entries()) {
    for (const other of points.slice(index + 1)) {
      if (other.at > one.at) slopes.push((other.offset - one.offset) / (other.at - one.at));
    }
  }
  const slope = medianOf(slopes);
  const levels = points.map(({ at, offset }) => offset - slope * at);
  const middle = medianOf(levels);
  return { slope, spreadMs: 2 * medianOf(levels.map((level) => Math.abs(level - middle))) };
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}
