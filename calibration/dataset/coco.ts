/**
 * The marks of an export as COCO JSON (`annotations.coco.json`), for tools that do not read `annotations.jsonl`. Polygons stay polygons,
 * masks become uncompressed run lengths, points become a key point named `mark`.
 */
import sharp from 'sharp';
import { folderOfLabel } from '../../config/label-name.ts';
import type { AnnotationIndex } from './annotations.ts';
import type { LabelledFrame } from './frame.ts';
import { readFrame } from './read-frame.ts';
import type { Shape } from './shapes.ts';

export const cocoName = 'annotations.coco.json';

interface Size {
  readonly width: number;
  readonly height: number;
}

/** Every frame is an image; a frame without marks has no annotations. @throws as `readFrame` */
export async function cocoText(
  frames: readonly LabelledFrame[],
  { ids, read }: Pick<AnnotationIndex, 'ids' | 'read'>,
): Promise<string> {
  const images: object[] = [];
  const annotations: object[] = [];
  const categories = new Map<string, number>();
  for (const [index, frame] of frames.entries()) {
    const { width = 0, height = 0 } = await sharp(await readFrame(frame)).metadata();
    images.push({ id: index + 1, file_name: `${folderOfLabel(frame.label)}/${frame.id}.png`, width, height });
    for (const shape of (ids.has(frame.id) ? await read(frame.id) : undefined)?.shapes ?? []) {
      const category = categories.get(shape.label) ?? categories.size + 1;
      categories.set(shape.label, category);
      annotations.push({
        id: annotations.length + 1,
        image_id: index + 1,
        category_id: category,
        iscrowd: shape.kind === 'mask' ? 1 : 0,
        ...(await placeOf(shape, { width, height })),
      });
    }
  }
  const named = Array.from(categories, ([name, id]) => ({ id, name, keypoints: ['mark'], skeleton: [] }));
  return `${JSON.stringify({ images, annotations, categories: named })}\n`;
}

async function placeOf(shape: Shape, { width, height }: Size): Promise<object> {
  switch (shape.kind) {
    case 'point': {
      const [x, y] = [shape.x * width, shape.y * height];
      return { bbox: [x, y, 0, 0], area: 0, keypoints: [x, y, 2], num_keypoints: 1 };
    }
    case 'box': {
      const bbox = [shape.x * width, shape.y * height, shape.width * width, shape.height * height];
      return { bbox, area: bbox[2]! * bbox[3]! };
    }
    case 'polygon': {
      const points = shape.points.map(([x, y]) => [x * width, y * height] as const);
      return { bbox: boundsOf(points), area: areaOf(points), segmentation: [points.flat()] };
    }
    case 'mask': {
      const pixels = await sharp(Buffer.from(shape.png, 'base64'))
        .resize(width, height, { fit: 'fill', kernel: 'nearest' })
        .extractChannel(0)
        .raw()
        .toBuffer();
      const { counts, inside } = runLengths(pixels, { width, height });
      // A pixel reaches to the next one.
      const corners = inside.flatMap(([x, y]) => [[x, y] as const, [x + 1, y + 1] as const]);
      return {
        bbox: boundsOf(corners),
        area: inside.length,
        segmentation: { counts, size: [height, width] },
      };
    }
  }
}

/** Runs of 0 and 1 in turn, down the columns. */
function runLengths(pixels: Uint8Array, { width, height }: Size) {
  const counts: number[] = [];
  const inside: [number, number][] = [];
  let [run, value] = [0, false];
  for (let x = 0; x < width; x++) {
    for (let y = 0; y < height; y++) {
      const own = pixels[y * width + x]! > 127;
      if (own) inside.push([x, y]);
      if (own !== value) {
        counts.push(run);
        [run, value] = [0, own];
      }
      run++;
    }
  }
  return { counts: [...counts, run], inside };
}

/** [x, y, width, height] */
function boundsOf(points: readonly (readonly [number, number])[]): number[] {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of points) {
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  }
  return points.length > 0 ? [left, top, right - left, bottom - top] : [0, 0, 0, 0];
}

function areaOf(points: readonly (readonly [number, number])[]): number {
  const twice = points.reduce((sum, [x, y], i) => {
    const [nextX, nextY] = points[(i + 1) % points.length]!;
    return sum + x * nextY - nextX * y;
  }, 0);
  return Math.abs(twice) / 2;
}
