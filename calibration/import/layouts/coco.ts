/** COCO JSON: objects with boxes, polygons or run lengths; or categories of whole images. */
import { posix } from 'node:path';
import { z } from 'zod';
import { check } from '../../../config/check.ts';
import { indexBy } from '../locate.ts';
import { createFacts, type DocumentReader, type DraftShape, type ReaderInput } from '../reading.ts';
import { cocoArea, cocoBitmap } from '../run-lengths.ts';

const key = z.union([z.number(), z.string()]);
const numbers = z.array(z.number());
const schema = z.object({
  images: z.array(
    z.object({
      id: key,
      file_name: z.string(),
      width: z.number().positive().nullish(),
      height: z.number().positive().nullish(),
    }),
  ),
  annotations: z.array(
    z.object({
      image_id: key,
      category_id: key,
      bbox: numbers.nullish(),
      keypoints: numbers.nullish(),
      segmentation: z
        .union([
          z.array(numbers),
          z.object({ counts: z.union([numbers, z.string()]), size: z.tuple([z.number(), z.number()]) }),
        ])
        .nullish(),
    }),
  ),
  categories: z.array(z.object({ id: key, name: z.string() })),
});
type Annotation = z.output<typeof schema>['annotations'][number];

export function createCocoReader({ locator }: ReaderInput): DocumentReader<unknown> {
  const { facts, add } = createFacts('pixel');
  const used = new Set<string>();
  const missing = new Set<string>();
  const notes: string[] = [];
  return {
    take(file, content) {
      const found = check(schema, content);
      if (!found.success) return false;
      used.add(file.name);
      const categories = new Map(found.data.categories.map(({ id, name }) => [String(id), name]));
      const byImage = indexBy(found.data.annotations, ({ image_id }) => String(image_id));
      let nameless = 0;
      for (const { id, file_name, width, height } of found.data.images) {
        const image = locator.find(file_name, posix.dirname(file.name));
        if (!image) {
          missing.add(file_name);
          continue;
        }
        const annotations = byImage.get(String(id)) ?? [];
        add(image, {
          isEmpty: annotations.length === 0,
          ...(width && height && { size: { width, height } }),
        });
        for (const annotation of annotations) {
          const label = categories.get(String(annotation.category_id));
          const shapes = label === undefined ? [] : shapesOf(annotation, label);
          if (label === undefined) nameless++;
          else add(image, shapes.length > 0 ? { shapes } : { labels: [label] });
        }
      }
      if (nameless > 0)
        notes.push(`${file.name}: annotations of categories that it does not name, left out: ${nameless}`);
      return true;
    },
    finish: () =>
      used.size === 0 ? undefined : { layout: 'coco', what: 'COCO JSON', facts, used, notes, missing },
  };
}

function shapesOf({ bbox, segmentation, keypoints }: Annotation, label: string): DraftShape[] {
  if (Array.isArray(segmentation)) {
    const polygons = segmentation.filter(({ length }) => length >= 6 && length % 2 === 0);
    if (polygons.length > 0) return polygons.map((flat) => ({ kind: 'polygon', label, points: pairs(flat) }));
  } else if (segmentation) {
    const { counts, size } = segmentation;
    const draw = () => cocoBitmap(counts, size[0], size[1]);
    return [{ kind: 'mask', label, area: cocoArea(counts), draw }];
  }
  const [x = 0, y = 0, width = 0, height = 0] = bbox?.length === 4 ? bbox : [];
  if (width > 0 && height > 0) return [{ kind: 'box', label, x, y, width, height }];
  // Key points mark places only if there is no area. Each has a visibility; 0 means that it was not labelled.
  const marks = Array.from({ length: Math.floor((keypoints?.length ?? 0) / 3) }, (_, i) =>
    keypoints!.slice(3 * i, 3 * i + 3),
  );
  return marks.flatMap(([x = 0, y = 0, visibility = 0]) =>
    visibility > 0 ? [{ kind: 'point' as const, label, x, y }] : [],
  );
}

/** x1, y1, x2, y2, … as points. */
export function pairs(flat: readonly number[]): [number, number][] {
  return Array.from({ length: Math.floor(flat.length / 2) }, (_, i) => [flat[2 * i]!, flat[2 * i + 1]!]);
}
