/** Label Studio: JSON (tasks with annotations) and JSON-MIN (a plain object for each image). */
import { posix } from 'node:path';
import { z } from 'zod';
import { check } from '../../../config/check.ts';
import { ellipse, turned } from '../outlines.ts';
import { createFacts, type DocumentReader, type DraftShape, type ReaderInput } from '../reading.ts';
import { brushBitmap } from '../run-lengths.ts';

const names = z.array(z.string());
const value = z.object({
  x: z.number().optional(),
  y: z.number().optional(),
  width: z.number().optional(),
  height: z.number().optional(),
  rotation: z.number().nullish(),
  radiusX: z.number().optional(),
  radiusY: z.number().optional(),
  points: z.array(z.tuple([z.number(), z.number()])).optional(),
  rle: z.array(z.number()).optional(),
  format: z.string().optional(),
  choices: names.optional(),
  rectanglelabels: names.optional(),
  polygonlabels: names.optional(),
  ellipselabels: names.optional(),
  brushlabels: names.optional(),
  keypointlabels: names.optional(),
});
const result = z.object({
  type: z.string().optional(),
  value,
  original_width: z.number().nullish(),
  original_height: z.number().nullish(),
});
type Result = z.output<typeof result>;
const annotation = z.object({
  result: z.array(z.unknown()),
  was_cancelled: z.boolean().nullish(),
  skipped: z.boolean().nullish(),
  updated_at: z.string().nullish(),
});
const task = z.object({
  data: z.record(z.string(), z.unknown()),
  annotations: z.array(annotation).optional(),
  completions: z.array(annotation).optional(),
});
const shapesOfMin = z.array(value);
const minimal = z.record(z.string(), z.unknown());

export function createLabelStudioReader({ locator }: ReaderInput): DocumentReader<unknown> {
  // Percent of the image, converted to fractions.
  const { facts, add } = createFacts('fraction');
  const used = new Set<string>();
  const missing = new Set<string>();
  const notes: string[] = [];

  function takeTask(one: z.output<typeof task>, folder: string): boolean {
    const written = Object.values(one.data).filter(isPath);
    if (written.length === 0) return false;
    const image = written.map((path) => locator.find(path, folder)).find((found) => found !== undefined);
    if (!image) {
      missing.add(written[0]!);
      return true;
    }
    const valid = (one.annotations ?? one.completions ?? []).filter(
      ({ was_cancelled, skipped }) => !was_cancelled && !skipped,
    );
    // The newest annotation, if there are several.
    const last = valid.sort((a, b) => (a.updated_at ?? '').localeCompare(b.updated_at ?? '')).at(-1);
    const results = (last?.result ?? []).flatMap((raw) => check(result, raw).data ?? []);
    const labels = results.flatMap(({ value }) => value.choices ?? []);
    const shapes = results.flatMap(shapesOf);
    if (valid.length > 1) notes.push(`${image.name}: the newest of ${valid.length} annotations is taken`);
    const sized = results.find((one) => one.original_width && one.original_height);
    add(image, {
      labels,
      shapes,
      isEmpty: last !== undefined && labels.length + shapes.length === 0,
      ...(sized && { size: { width: sized.original_width!, height: sized.original_height! } }),
    });
    return true;
  }

  function takeMinimal(one: z.output<typeof minimal>, folder: string): boolean {
    const path = Object.values(one).filter(isPath)[0];
    const labels = ['choice', 'choices', 'label', 'class', 'category'].flatMap((key) => textsOf(one[key]));
    const shapes = Object.values(one).flatMap((field) => {
      const parsed = check(shapesOfMin, field);
      return parsed.success ? parsed.data.flatMap((value) => shapesOf({ value })) : [];
    });
    if (path === undefined || labels.length + shapes.length === 0) return false;
    const image = locator.find(path, folder);
    if (image) add(image, { labels: shapes.length > 0 ? [] : labels, shapes });
    else missing.add(path);
    return true;
  }

  return {
    take(file, content) {
      if (!Array.isArray(content) || content.length === 0) return false;
      const folder = posix.dirname(file.name);
      const taken = content.filter((one) => {
        const asTask = check(task, one);
        if (asTask.success) return takeTask(asTask.data, folder);
        const asMinimal = check(minimal, one);
        return asMinimal.success && takeMinimal(asMinimal.data, folder);
      });
      if (taken.length > 0) used.add(file.name);
      return taken.length > 0;
    },
    finish: () =>
      used.size === 0
        ? undefined
        : { layout: 'label-studio', what: 'Label Studio JSON', facts, used, notes: briefly(notes), missing },
  };
}

function shapesOf({
  value,
  original_width,
  original_height,
}: Pick<Result, 'value'> & Partial<Result>): DraftShape[] {
  const label = [
    value.rectanglelabels,
    value.polygonlabels,
    value.ellipselabels,
    value.brushlabels,
    value.keypointlabels,
  ]
    .flatMap((list) => list ?? [])
    .at(0);
  if (label === undefined) return [];
  const [width, height] = [original_width ?? 0, original_height ?? 0];
  if (value.rle) {
    const rle = value.rle;
    if (!(width > 0 && height > 0)) return [];
    const draw = () => brushBitmap(rle, width, height);
    const area = draw().data.reduce((sum, one) => sum + (one > 0 ? 1 : 0), 0) / (width * height);
    return [{ kind: 'mask', label, area, draw }];
  }
  const of = (percent: number | undefined) => (percent ?? 0) / 100;
  if (value.points && value.points.length >= 3)
    return [{ kind: 'polygon', label, points: value.points.map(([x, y]) => [of(x), of(y)]) }];
  const [x, y, degrees] = [of(value.x), of(value.y), value.rotation ?? 0];
  // Its width is only the size of the dot on the screen.
  if (value.keypointlabels?.length) return [{ kind: 'point', label, x, y }];
  // Rotation is calculated in pixels, because fractions of a wide image are not square.
  const aspect = width > 0 && height > 0 ? width / height : 1;
  const back = (points: [number, number][]) => points.map(([px, py]): [number, number] => [px / aspect, py]);
  if (value.radiusX !== undefined && value.radiusY !== undefined) {
    const center = { x: x * aspect, y };
    const points = ellipse(center, of(value.radiusX) * aspect, of(value.radiusY), degrees);
    return [{ kind: 'polygon', label, points: back(points) }];
  }
  const box = { x, y, width: of(value.width), height: of(value.height) };
  if (degrees === 0) return [{ kind: 'box', label, ...box }];
  const corner = { x: x * aspect, y };
  const points = turned({ ...box, ...corner, width: box.width * aspect }, corner, degrees);
  return [{ kind: 'polygon', label, points: back(points) }];
}

const isPath = (field: unknown): field is string =>
  typeof field === 'string' && /\.(?:png|jpe?g|jfif|bmp|webp|tiff?|gif|avif)(?:$|[?#])/i.test(field);

function textsOf(field: unknown): string[] {
  if (typeof field === 'string') return [field];
  const choices = z.union([names, z.object({ choices: names }).transform((one) => one.choices)]);
  return check(choices, field).data ?? [];
}

const briefly = (notes: readonly string[]) =>
  notes.length > 3 ? [...notes.slice(0, 3), `and ${notes.length - 3} more like this`] : [...notes];
