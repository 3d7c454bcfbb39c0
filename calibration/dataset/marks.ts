/** Locations of the defects of labelled frames: one for each marked shape. */
import { decodePicture } from '../../models/prepare/decode.ts';
import type { AnnotationIndex } from './annotations.ts';
import { centerOfBlob, centerOfPolygon } from './centers.ts';
import type { LabelledFrame } from './frame.ts';
import type { Shape } from './shapes.ts';

/**
 * The location of one defect, in fractions of the stored image, origin at the top left. The head sees the same image: a
 * camera's frame is cropped to the region before it is judged and stored, and an imported image is used whole.
 */
export interface Place {
  readonly x: number;
  readonly y: number;
  /** Extent of the shape about its own middle, fractions; 0 for a point. */
  readonly width: number;
  readonly height: number;
  /** Label of the shape. */
  readonly label: string;
}

/**
 * The defects of a labelled frame. Shapes with the label of the frame count; if there are none (the frame was relabelled),
 * all that are not labelled good. Good frames, empty masks and unreadable masks have none.
 */
export async function placesOf(
  frame: Pick<LabelledFrame, 'label'>,
  shapes: readonly Shape[],
  good: readonly string[],
): Promise<Place[]> {
  if (good.includes(frame.label)) return [];
  const own = shapes.filter(({ label }) => label === frame.label);
  const defects = own.length > 0 ? own : shapes.filter(({ label }) => !good.includes(label));
  const places = await Promise.all(defects.map((shape) => placeOf(shape)));
  return places.filter((place) => place !== undefined);
}

/** The defects of all frames with defects, by id; damaged lines are skipped. */
export async function placesOfFrames(
  frames: readonly Pick<LabelledFrame, 'id' | 'label' | 'changed'>[],
  annotations: AnnotationIndex,
  good: readonly string[],
): Promise<ReadonlyMap<string, readonly Place[]>> {
  const found = new Map<string, readonly Place[]>();
  for (const frame of frames) {
    const marked = frame.changed?.from ?? frame.id;
    const annotation = annotations.ids.has(marked) ? await annotations.read(marked) : undefined;
    const places = annotation ? await placesOf(frame, annotation.shapes, good) : [];
    if (places.length > 0) found.set(frame.id, places);
  }
  return found;
}

/** Undefined for a mask that is empty or unreadable. */
export async function placeOf(shape: Shape): Promise<Place | undefined> {
  const { label } = shape;
  switch (shape.kind) {
    case 'point':
      return { x: shape.x, y: shape.y, width: 0, height: 0, label };
    case 'box': {
      const { x, y, width, height } = shape;
      return { x: x + width / 2, y: y + height / 2, width, height, label };
    }
    case 'polygon':
      return { ...centerOfPolygon(shape.points), label };
    case 'mask': {
      const mask = await maskOf(shape.png).catch(() => undefined);
      const center = mask && centerOfBlob(mask);
      return center && { ...center, label };
    }
  }
}

async function maskOf(png: string) {
  const { data, width, height } = await decodePicture(Buffer.from(png, 'base64'));
  return { width, height, data: data.filter((_, i) => i % 3 === 0) };
}
