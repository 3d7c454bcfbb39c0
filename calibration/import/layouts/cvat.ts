/** CVAT for images 1.1: one XML file with tags, points, boxes, polygons, ellipses and masks of all images. */
import { posix } from 'node:path';
import { attribute, children, type Element } from '../documents.ts';
import { ellipse, turned } from '../outlines.ts';
import { createFacts, type DocumentReader, type DraftShape, type ReaderInput } from '../reading.ts';
import { cvatBitmap } from '../run-lengths.ts';

const leftOut = ['polyline', 'cuboid', 'skeleton'];

export function createCvatReader({ locator }: ReaderInput): DocumentReader<Element> {
  const { facts, add } = createFacts('pixel');
  const used = new Set<string>();
  const missing = new Set<string>();
  const notes: string[] = [];
  return {
    take(file, content) {
      const [root] = children(content, 'annotations');
      if (!root) return false;
      const tracks = children(root, 'track').length;
      if (tracks > 0)
        notes.push(`${file.name}: ${tracks} tracks of a video are not read: export "CVAT for images 1.1"`);
      const images = children(root, 'image');
      if (images.length + tracks === 0) return false;
      used.add(file.name);
      let others = 0;
      for (const element of images) {
        const name = attribute(element, 'name') ?? '';
        const image = locator.find(name, posix.dirname(file.name));
        if (!image) {
          missing.add(name);
          continue;
        }
        const size = { width: numberOf(element, 'width'), height: numberOf(element, 'height') };
        const labels = children(element, 'tag').flatMap((tag) => attribute(tag, 'label') ?? []);
        const shapes = shapesOf(element, size);
        others += leftOut.reduce((sum, kind) => sum + children(element, kind).length, 0);
        add(image, {
          labels,
          shapes,
          isEmpty: labels.length + shapes.length === 0,
          ...(size.width > 0 && size.height > 0 && { size }),
        });
      }
      if (others > 0) notes.push(`${file.name}: lines, cuboids and skeletons, left out: ${others}`);
      return true;
    },
    finish: () =>
      used.size === 0 ? undefined : { layout: 'cvat', what: 'CVAT XML', facts, used, notes, missing },
  };
}

function shapesOf(image: Element, size: { readonly width: number; readonly height: number }): DraftShape[] {
  const each = (kind: string, read: (element: Element, label: string) => DraftShape | DraftShape[]) =>
    children(image, kind).flatMap((element) => {
      const label = attribute(element, 'label');
      return label === undefined ? [] : read(element, label);
    });
  return [
    ...each('box', (box, label) => {
      const [x, y] = [numberOf(box, 'xtl'), numberOf(box, 'ytl')];
      const [width, height] = [numberOf(box, 'xbr') - x, numberOf(box, 'ybr') - y];
      const angle = numberOf(box, 'rotation') || 0;
      if (angle === 0) return { kind: 'box', label, x, y, width, height };
      const center = { x: x + width / 2, y: y + height / 2 };
      return { kind: 'polygon', label, points: turned({ x, y, width, height }, center, angle) };
    }),
    ...each('polygon', (polygon, label) => {
      return { kind: 'polygon', label, points: pointsOf(polygon) };
    }),
    // Several points of one object: each of them is a place of the defect.
    ...each('points', (points, label) =>
      pointsOf(points).map(([x, y]): DraftShape => ({ kind: 'point', label, x, y })),
    ),
    ...each('ellipse', (one, label) => ({
      kind: 'polygon',
      label,
      points: ellipse(
        { x: numberOf(one, 'cx'), y: numberOf(one, 'cy') },
        numberOf(one, 'rx'),
        numberOf(one, 'ry'),
        numberOf(one, 'rotation') || 0,
      ),
    })),
    ...each('mask', (mask, label) => {
      const runs = (attribute(mask, 'rle') ?? '').split(',').map(Number);
      const box = {
        left: numberOf(mask, 'left'),
        top: numberOf(mask, 'top'),
        width: numberOf(mask, 'width'),
      };
      const area = runs.reduce((sum, run, i) => (i % 2 === 1 ? sum + run : sum), 0);
      return { kind: 'mask', label, area, draw: () => cvatBitmap(runs, box, size) };
    }),
  ];
}

/** `x,y;x,y` */
const pointsOf = (element: Element) =>
  (attribute(element, 'points') ?? '')
    .split(';')
    .map((pair) => pair.split(',').map(Number) as [number, number]);

const numberOf = (element: Element, name: string) => Number(attribute(element, name));
