/** The marks of a frame for the page: masks and polygons by their location. */
import type { MarksView } from '../views.ts';
import { placeOf } from './marks.ts';
import type { Shape } from './shapes.ts';

/** Masks that are empty or unreadable are omitted. */
export async function marksView(shapes: readonly Shape[]): Promise<MarksView> {
  const marks: MarksView['marks'] = [];
  const areas: MarksView['areas'] = [];
  for (const shape of shapes) {
    if (shape.kind === 'point' || shape.kind === 'box') {
      marks.push(shape);
      continue;
    }
    const place = await placeOf(shape);
    const points = shape.kind === 'polygon' ? shape.points : undefined;
    if (place) areas.push({ kind: shape.kind, label: shape.label, x: place.x, y: place.y, points });
  }
  return { marks, areas };
}
