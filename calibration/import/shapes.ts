/** Converts marks to the format of the dataset: fractions of the decoded image, masks as PNG. */
import sharp from 'sharp';
import { check } from '../../config/check.ts';
import type { Image } from '../../models/image.ts';
import { largestMask, maxShapes, type Shape, shapeSchema } from '../dataset/shapes.ts';
import type { PlannedImage } from './plan.ts';
import { readMask } from './read-image.ts';
import type { Bitmap, DraftShape, ImageFacts } from './reading.ts';

export interface KeptShapes {
  readonly shapes: readonly Shape[];
  /** Shapes that could not be kept, with reasons. */
  readonly problems: readonly string[];
}

/** Maximum difference of the aspect ratio after rounding and scaling. */
const aspectTolerance = 0.02;

export async function shapesOf({ facts, masks, label }: PlannedImage, image: Image): Promise<KeptShapes> {
  const problems: string[] = [];
  const shapes: Shape[] = [...(facts.kept ?? [])];
  const attempt = async (work: () => Promise<Shape | undefined>) => {
    try {
      const shape = await work();
      if (shape) shapes.push(shape);
    } catch (error) {
      problems.push((error as Error).message);
    }
  };
  const { size = image } = facts;
  if (facts.shapes.length > 0 && !hasSameAspect(size, image))
    problems.push(
      `its annotations are for ${size.width} × ${size.height}, the image has ${image.width} × ${image.height}: they are not kept`,
    );
  else for (const draft of facts.shapes) await attempt(() => shapeOf(draft, facts.unit, size));
  for (const file of masks) {
    await attempt(async () => {
      const mask = await readMask(file);
      if (!mask) return undefined;
      if (!hasSameAspect(mask, image))
        throw new Error(`the mask ${file.name} has another shape than the image: not kept`);
      return maskShape(label, mask);
    });
  }
  if (shapes.length > maxShapes) problems.push(`of ${shapes.length} marks the first ${maxShapes} are kept`);
  return { shapes: shapes.slice(0, maxShapes), problems };
}

async function shapeOf(
  draft: DraftShape,
  unit: ImageFacts['unit'],
  size: { readonly width: number; readonly height: number },
): Promise<Shape | undefined> {
  const label = [...draft.label].slice(0, 200).join('');
  if (draft.kind === 'mask') return maskShape(label, await draft.draw());
  const [w, h] = unit === 'pixel' ? [size.width, size.height] : [1, 1];
  const within = (value: number) => round(Math.min(1, Math.max(0, value)));
  if (draft.kind === 'point') {
    const [x, y] = [draft.x / w, draft.y / h];
    if (within(x) !== round(x) || within(y) !== round(y))
      throw new Error(`a point of ${label} lies outside of the image: not kept`);
    return checked({ kind: 'point', label, x: within(x), y: within(y) });
  }
  if (draft.kind === 'polygon') {
    const points = draft.points.map(([x, y]) => [within(x / w), within(y / h)] as [number, number]);
    return checked({ kind: 'polygon', label, points });
  }
  const [x, y] = [within(draft.x / w), within(draft.y / h)];
  const width = round(within((draft.x + draft.width) / w) - x);
  const height = round(within((draft.y + draft.height) / h) - y);
  if (width <= 0 || height <= 0) throw new Error(`a box of ${label} lies outside of the image: not kept`);
  return checked({ kind: 'box', label, x, y, width, height });
}

async function maskShape(label: string, { width, height, data }: Bitmap): Promise<Shape> {
  const png = await sharp(data, { raw: { width, height, channels: 1 } })
    .toColourspace('b-w')
    .png({ compressionLevel: 9 })
    .toBuffer();
  const text = png.toString('base64');
  if (text.length > largestMask) throw new Error(`a mask of ${label} is too finely divided: not kept`);
  return { kind: 'mask', label, png: text };
}

function checked(shape: Shape): Shape {
  const parsed = check(shapeSchema, shape);
  if (parsed.success) return parsed.data;
  throw new Error(`a ${shape.kind} of ${shape.label} has no valid coordinates: not kept`);
}

/** A hundredth of a pixel of the largest image. */
const round = (value: number) => Math.round(value * 1e6) / 1e6;

function hasSameAspect(
  a: { readonly width: number; readonly height: number },
  b: { readonly width: number; readonly height: number },
): boolean {
  return Math.abs((a.width * b.height) / (a.height * b.width) - 1) < aspectTolerance;
}
