/** labelme: a JSON file for each image, with points, polygons, rectangles, circles and masks, or flags of the whole image. */
import { posix } from 'node:path';
import { z } from 'zod';
import { check } from '../../../config/check.ts';
import { decodePicture } from '../../../models/prepare/decode.ts';
import { stemOf } from '../folder-names.ts';
import { ellipse } from '../outlines.ts';
import {
  type Bitmap,
  createFacts,
  type DocumentReader,
  type DraftShape,
  type ReaderInput,
} from '../reading.ts';

interface Size {
  readonly width: number;
  readonly height: number;
}

const flags = z.record(z.string(), z.boolean()).nullish();
const shapeSchema = z.object({
  label: z.string(),
  points: z.array(z.tuple([z.number(), z.number()])).default([]),
  shape_type: z.string().nullish(),
  mask: z.string().nullish(),
});
const schema = z.object({
  shapes: z.array(shapeSchema),
  imagePath: z.string().nullish(),
  imageWidth: z.number().nullish(),
  imageHeight: z.number().nullish(),
  flags,
});

export function createLabelmeReader({ locator }: ReaderInput): DocumentReader<unknown> {
  const { facts, add } = createFacts('pixel');
  const used = new Set<string>();
  const missing = new Set<string>();
  let others = 0;
  return {
    take(file, content) {
      const parsed = check(schema, content);
      if (!parsed.success) return false;
      used.add(file.name);
      const { shapes, imagePath, imageWidth: width, imageHeight: height, flags } = parsed.data;
      const folder = posix.dirname(file.name);
      const image =
        (imagePath ? locator.find(imagePath, folder) : undefined) ?? locator.find(stemOf(file.name), folder);
      if (!image) {
        missing.add(imagePath ?? stemOf(file.name));
        return true;
      }
      const labels = Object.entries(flags ?? {}).flatMap(([label, isSet]) => (isSet ? label : []));
      const size = width && height ? { width, height } : undefined;
      const drawn = shapes.flatMap((shape) => shapeOf(shape, size) ?? []);
      others += shapes.length - drawn.length;
      // A line still labels the image.
      const marked = drawn.length === 0 ? shapes.map(({ label }) => label) : [];
      add(image, {
        labels: [...labels, ...marked],
        shapes: drawn,
        isEmpty: labels.length + shapes.length === 0,
        ...(size && { size }),
      });
      return true;
    },
    finish() {
      if (used.size === 0) return undefined;
      const notes = others > 0 ? [`lines, which have no area, left out: ${others}`] : [];
      return { layout: 'labelme', what: 'labelme JSON', facts, used, notes, missing };
    },
  };
}

function shapeOf(
  { label, points, shape_type: kind, mask }: z.output<typeof shapeSchema>,
  size: Size | undefined,
): DraftShape | undefined {
  const [first, second] = points;
  if (kind === 'rectangle' && first && second) {
    const [x, right] = [Math.min(first[0], second[0]), Math.max(first[0], second[0])];
    const [y, bottom] = [Math.min(first[1], second[1]), Math.max(first[1], second[1])];
    return { kind: 'box', label, x, y, width: right - x, height: bottom - y };
  }
  if (kind === 'point' && first) return { kind: 'point', label, x: first[0], y: first[1] };
  if (kind === 'circle' && first && second) {
    const radius = Math.hypot(second[0] - first[0], second[1] - first[1]);
    return { kind: 'polygon', label, points: ellipse({ x: first[0], y: first[1] }, radius, radius) };
  }
  if ((kind === 'polygon' || kind === 'oriented_rectangle' || !kind) && points.length >= 3)
    return { kind: 'polygon', label, points };
  if (kind === 'mask' && first && second) {
    const box = shapeOf({ label, points: [first, second], shape_type: 'rectangle' }, size);
    if (!size || !mask || box?.kind !== 'box') return box;
    const draw = () => maskBitmap(Buffer.from(mask, 'base64'), box, size);
    return { kind: 'mask', label, area: box.width * box.height, draw };
  }
  return undefined;
}

/** A PNG that covers the rectangle of its two corners. */
async function maskBitmap(png: Buffer, { x, y }: { x: number; y: number }, size: Size): Promise<Bitmap> {
  const inner = await decodePicture(png);
  const { width, height } = size;
  const data = new Uint8Array(width * height);
  for (let i = 0; i < inner.width * inner.height; i++) {
    const [left, top] = [Math.round(x) + (i % inner.width), Math.round(y) + Math.floor(i / inner.width)];
    if (inner.data[3 * i]! > 0 && left < width && top < height) data[top * width + left] = 255;
  }
  return { width, height, data };
}
