/** Decides the label of a part from all annotations of its image. Pure. */
import type { DraftShape, ImageFacts } from './reading.ts';

export interface Decision {
  readonly label?: string;
  /** Why there is no label. */
  readonly reason?: string;
  /** Whether there were several defects: the one with the largest area was used. */
  readonly isLargest?: boolean;
}

export interface DecisionRules {
  readonly good: readonly string[];
  /** For images without any annotation. */
  readonly unannotated?: string | undefined;
  /** Label of the folder, if the annotation has none. */
  readonly fallback?: string | undefined;
}

/**
 * Labels of the whole image have priority. Among marks, any defect has priority over good; of several defects, the one with
 * the largest area.
 */
export function decideLabel(
  { labels, shapes, isEmpty }: Pick<ImageFacts, 'labels' | 'shapes' | 'isEmpty'>,
  { good, unannotated, fallback }: DecisionRules,
): Decision {
  const isGood = (label: string) => good.includes(label);
  const said = [...new Set(labels)];
  const areas = new Map<string, number>();
  for (const shape of shapes) areas.set(shape.label, (areas.get(shape.label) ?? 0) + areaOf(shape));
  const defects = [...areas].filter(([label]) => !isGood(label)).sort(([, a], [, b]) => b - a);

  if (said.length > 1)
    return { reason: `is labelled ${said.join(' and ')}: the dataset holds one label for a part` };
  const [label = fallback] = said;
  if (label !== undefined) {
    if (said.length === 1 && isGood(label) && defects.length > 0)
      return { reason: `is labelled ${label}, but ${defects[0]![0]} is marked on it` };
    return { label };
  }
  const [first, second] = defects;
  if (first && second && first[1] <= second[1])
    return { reason: `shows ${first[0]} and ${second[0]}: the dataset holds one label for a part` };
  if (first) return { label: first[0], isLargest: second !== undefined };
  const [marked] = areas.keys();
  if (marked !== undefined) return { label: marked };
  if (unannotated !== undefined) return { label: unannotated };
  const what = isEmpty ? 'its annotation is empty' : 'it has no annotation';
  return { reason: `${what}: --unannotated ${good[0] ?? 'good'} takes such images as ${good[0] ?? 'good'}` };
}

/** Area in the square of the shape's unit. */
function areaOf(shape: DraftShape): number {
  // A point has a location but no size.
  if (shape.kind === 'point') return 0;
  if (shape.kind === 'box') return shape.width * shape.height;
  if (shape.kind === 'mask') return shape.area;
  const { points } = shape;
  const sum = points.reduce((total, [x, y], i) => {
    const [nextX, nextY] = points[(i + 1) % points.length]!;
    return total + x * nextY - nextX * y;
  }, 0);
  return Math.abs(sum) / 2;
}
