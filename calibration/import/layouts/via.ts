/** VGG Image Annotator (VIA 2): a project, or its annotations as JSON; regions of all images in one file. */
import { posix } from 'node:path';
import { z } from 'zod';
import { check } from '../../../config/check.ts';
import { ellipse } from '../outlines.ts';
import { createFacts, type DocumentReader, type DraftShape, type ReaderInput } from '../reading.ts';

const attributes = z.record(z.string(), z.unknown());
const region = z.object({
  shape_attributes: z.object({
    name: z.string(),
    x: z.number().optional(),
    y: z.number().optional(),
    width: z.number().optional(),
    height: z.number().optional(),
    cx: z.number().optional(),
    cy: z.number().optional(),
    r: z.number().optional(),
    rx: z.number().optional(),
    ry: z.number().optional(),
    theta: z.number().optional(),
    all_points_x: z.array(z.number()).optional(),
    all_points_y: z.array(z.number()).optional(),
  }),
  region_attributes: attributes,
});
const images = z.record(
  z.string(),
  z.object({
    filename: z.string(),
    regions: z.union([z.array(region), z.record(z.string(), region).transform(Object.values<Region>)]),
    file_attributes: attributes.default({}),
  }),
);
type Region = z.output<typeof region>;
const project = z.object({ _via_img_metadata: images });

/** The annotator names the attributes; names of the label attribute, in order of priority. */
const labelNames = ['label', 'class', 'defect', 'type', 'category', 'name'];

export function createViaReader({ locator }: ReaderInput): DocumentReader<unknown> {
  const { facts, add } = createFacts('pixel');
  const used = new Set<string>();
  const missing = new Set<string>();
  let others = 0;
  let nameless = 0;
  return {
    take(file, content) {
      const whole = check(project, content);
      const bare = whole.success ? undefined : check(images, content);
      const found = whole.success ? whole.data._via_img_metadata : bare?.success ? bare.data : {};
      const entries = Object.values(found);
      if (entries.length === 0) return false;
      used.add(file.name);
      for (const { filename, regions, file_attributes } of entries) {
        const image = locator.find(filename, posix.dirname(file.name));
        if (!image) {
          missing.add(filename);
          continue;
        }
        // A caption or a licence of the whole image is not a label.
        const whole = labelIn(file_attributes, true);
        const labelled = regions.map((one) => ({ one, label: labelIn(one.region_attributes) }));
        nameless += labelled.filter(({ label }) => label === undefined).length;
        const named = labelled.flatMap(({ one, label }) => (label === undefined ? [] : { one, label }));
        const shapes = named.flatMap(({ one, label }) => shapeOf(one.shape_attributes, label) ?? []);
        others += named.length - shapes.length;
        // A line still labels the image.
        const marked = shapes.length === 0 ? named.map(({ label }) => label) : [];
        const labels = whole === undefined ? marked : [whole];
        add(image, { labels, shapes, isEmpty: labels.length + regions.length === 0 });
      }
      return true;
    },
    finish() {
      if (used.size === 0) return undefined;
      const notes = [
        ...(others > 0 ? [`lines, which have no area, left out: ${others}`] : []),
        ...(nameless > 0 ? [`regions without an attribute that names a label, left out: ${nameless}`] : []),
      ];
      return { layout: 'via', what: 'VIA JSON', facts, used, notes, missing };
    },
  };
}

function labelIn(values: z.output<typeof attributes>, byNameOnly = false): string | undefined {
  const texts = Object.entries(values).flatMap(([name, value]) => {
    const text = textOf(value);
    return text === undefined ? [] : { rank: labelNames.indexOf(name.toLowerCase().trim()), text };
  });
  const known = texts.filter(({ rank }) => rank !== -1).sort((a, b) => a.rank - b.rank);
  return (known[0] ?? (byNameOnly ? undefined : texts[0]))?.text;
}

/** A text, or the selected check box. */
function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value.trim() || undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  const set = Object.entries(value).filter(([, isSet]) => isSet === true);
  return set.length === 1 ? set[0]![0] : undefined;
}

function shapeOf(shape: Region['shape_attributes'], label: string): DraftShape | undefined {
  const { x = Number.NaN, y = Number.NaN, width = Number.NaN, height = Number.NaN } = shape;
  const center = { x: shape.cx ?? Number.NaN, y: shape.cy ?? Number.NaN };
  switch (shape.name) {
    case 'point':
      return { kind: 'point', label, ...center };
    case 'rect':
      return { kind: 'box', label, x, y, width, height };
    case 'circle':
      return { kind: 'polygon', label, points: ellipse(center, shape.r ?? 0, shape.r ?? 0) };
    case 'ellipse': {
      const degrees = ((shape.theta ?? 0) * 180) / Math.PI;
      return { kind: 'polygon', label, points: ellipse(center, shape.rx ?? 0, shape.ry ?? 0, degrees) };
    }
    case 'polygon': {
      const ys = shape.all_points_y ?? [];
      return { kind: 'polygon', label, points: (shape.all_points_x ?? []).map((px, i) => [px, ys[i]!]) };
    }
    default:
      return undefined;
  }
}
