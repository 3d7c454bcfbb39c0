/** Pascal VOC: an XML file for each image, with a box for each object. */
import { posix } from 'node:path';
import { children, type Element, textOf } from '../documents.ts';
import { stemOf } from '../folder-names.ts';
import { createFacts, type DocumentReader, type DraftShape, type ReaderInput } from '../reading.ts';

export function createVocReader({ locator }: ReaderInput): DocumentReader<Element> {
  const { facts, add } = createFacts('pixel');
  const used = new Set<string>();
  const missing = new Set<string>();
  return {
    take(file, content) {
      const [root] = children(content, 'annotation');
      if (!root || (!root.object && !root.filename)) return false;
      used.add(file.name);
      const folder = posix.dirname(file.name);
      const written = textOf(root, 'filename');
      // The name inside is often from another machine: the name of the XML file has priority.
      const image =
        locator.find(stemOf(file.name), folder) ?? (written ? locator.find(written, folder) : undefined);
      if (!image) {
        missing.add(written ?? stemOf(file.name));
        return true;
      }
      const [size] = children(root, 'size');
      const [width, height] = [Number(textOf(size, 'width')), Number(textOf(size, 'height'))];
      const objects = children(root, 'object');
      add(image, {
        isEmpty: objects.length === 0,
        ...(width > 0 && height > 0 && { size: { width, height } }),
      });
      for (const object of objects) {
        const label = textOf(object, 'name');
        if (label === undefined) continue;
        const shape = boxOf(object, label);
        add(image, shape ? { shapes: [shape] } : { labels: [label] });
      }
      return true;
    },
    finish: () =>
      used.size === 0
        ? undefined
        : { layout: 'voc', what: 'Pascal VOC XML', facts, used, notes: [], missing },
  };
}

function boxOf(object: Element, label: string): DraftShape | undefined {
  const [box] = children(object, 'bndbox');
  const [x, y, right, bottom] = ['xmin', 'ymin', 'xmax', 'ymax'].map((key) => Number(textOf(box, key)));
  if (!(right! > x! && bottom! > y!)) return undefined;
  return { kind: 'box', label, x: x!, y: y!, width: right! - x!, height: bottom! - y! };
}
