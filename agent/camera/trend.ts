/** An offset between two clocks at a moment, both ms. */
export interface Point {
  readonly at: number;
  offset: number;
}

/**
 * The slope of most of the points, the median of the slopes of all pairs (Theil, Sen 1968), which a quarter of outliers
 * does not change; and by how much half of the points lie off that line, ms.
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
