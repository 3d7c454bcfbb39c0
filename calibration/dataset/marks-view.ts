/** What is marked on a frame, as the page shows it: masks and polygons by their place. */
import type { MarksView } from '../views.ts';
import { placeOf } from './marks.ts';
import type { Shape } from './shapes.ts';

/** Masks that are empty or cannot be read are left out. */
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
