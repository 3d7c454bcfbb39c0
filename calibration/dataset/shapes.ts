/** Points, boxes, polygons and masks of a frame: locations on the image. */
import { z } from 'zod';

/** Maximum size of a mask, base64: larger ones are not simple areas. */
export const largestMask = 4_000_000;
export const maxShapes = 2_000;
const maxPoints = 20_000;

const fraction = z.number().min(0).max(1);
const common = { label: z.string().min(1).max(200).describe('label of the shape') };
const point = z.strictObject({ ...common, kind: z.literal('point'), x: fraction, y: fraction });
const box = z.strictObject({
  ...common,
  kind: z.literal('box'),
  x: fraction,
  y: fraction,
  width: fraction,
  height: fraction,
});
export const shapeSchema = z.discriminatedUnion('kind', [
  point,
  box,
  z.strictObject({
    ...common,
    kind: z.literal('polygon'),
    points: z
      .array(z.tuple([fraction, fraction]))
      .min(3)
      .max(maxPoints),
  }),
  z.strictObject({
    ...common,
    kind: z.literal('mask'),
    png: z
      .base64()
      .max(largestMask)
      .describe('a PNG over the whole image, of any size: 255 inside, 0 outside'),
  }),
]);
/** Coordinates are fractions of the image's width and height, origin at the top left. */
export type Shape = z.output<typeof shapeSchema>;

/** A mark made with a tap or a drag; it has the label of the frame. */
export const markSchema = z.discriminatedUnion('kind', [
  point.omit({ label: true }),
  box.omit({ label: true }),
]);
export type Mark = z.output<typeof markSchema>;
/** Marks of one person on one frame. */
export const maxMarks = 50;

export const shapesSchema = z.array(shapeSchema).max(maxShapes);
