import { expect, test } from 'vitest';
import { images, maskOf, reasonsOf, takeFiles } from '../../rigs/image-folders.ts';
import { box, coco, pixelsOf, polygon } from './shapes-of-16-by-8.ts';

test('COCO: boxes, polygons and run lengths are kept, and images without an annotation lead to a question', async () => {
  const files = {
    ...(await images(
      'train/a.rf.1a2b.jpg',
      'train/b.jpg',
      'train/empty.jpg',
      'valid/images/c.jpg',
      'valid/images/d.jpg',
    )),
    'train/_annotations.coco.json': coco(
      [
        { image_id: 0, category_id: 1, bbox: [4, 2, 2, 4], segmentation: [] },
        { image_id: 1, category_id: 3, bbox: [0, 0, 8, 8] },
        { image_id: 1, category_id: 2, bbox: [8, 4, 8, 4], segmentation: [[8, 4, 16, 4, 16, 8]] },
        { image_id: 7, category_id: 1, bbox: [0, 0, 1, 1] },
      ],
      ['a.rf.1a2b.jpg', 'b.jpg', 'empty.jpg', 'gone.jpg'],
    ),
    'valid/annotations/instances.json': coco(
      [
        { image_id: 0, category_id: 2, segmentation: { size: [8, 16], counts: [2, 3, 123] } },
        { image_id: 1, category_id: 2, segmentation: { size: [8, 16], counts: '23kO' } },
      ],
      ['c.jpg', 'd.jpg'],
    ),
  };
  const taken = await takeFiles(files);
  expect(taken).toMatchObject({ layout: 'coco', added: 4, annotations: 2, marked: 4 });
  expect(taken.inDataset).toEqual(['hole', 'hole', 'hole', 'scratch']);
  expect(taken.notes).toContain('images that the COCO JSON names and that are not here: gone.jpg');
  expect(reasonsOf(taken)).toEqual({
    'train/empty.jpg': 'its annotation is empty: --unannotated good takes such images as good',
  });
  const shapes = taken.shapes.map(([, list]) => list);
  expect(shapes.slice(0, 2)).toEqual([
    [box],
    [{ kind: 'box', label: 'good', x: 0, y: 0, width: 0.5, height: 1 }, polygon],
  ]);
  // By columns: pixels 2 to 4 of the first column, in both notations.
  for (const [shape] of shapes.slice(2))
    expect(await pixelsOf(shape as { png: string })).toEqual([32, 48, 64]);
  expect((await takeFiles(files, { unannotated: 'good' })).inDataset).toContain('good');
});

test('COCO: the largest of several defects is the label, and two labels of a whole image are refused', async () => {
  const taken = await takeFiles({
    ...(await images('a.png', 'b.png')),
    'c.json': coco(
      [
        { image_id: 0, category_id: 1, bbox: [0, 0, 2, 2] },
        { image_id: 0, category_id: 2, bbox: [4, 4, 4, 4] },
        { image_id: 1, category_id: 1 },
        { image_id: 1, category_id: 2 },
      ],
      ['a.png', 'b.png'],
    ),
  });
  expect(taken.inDataset).toEqual(['hole']);
  expect(taken.notes).toContain(
    'images with several kinds of defects, labelled by the one with the largest area: 1',
  );
  expect(reasonsOf(taken)['b.png']).toBe(
    'is labelled scratch and hole: the dataset holds one label for a part',
  );
});

test('annotations for an image of another shape are not stored, which is reported', async () => {
  const json = coco([{ image_id: 0, category_id: 1, bbox: [0, 0, 2, 2] }], ['a.png']);
  json.images[0]!.height = 16;
  const taken = await takeFiles({ ...(await images('a.png')), 'c.json': json });
  expect(taken.shapes).toEqual([]);
  expect(taken.notes).toContain(
    'a.png: its annotations are for 16 × 16, the image has 16 × 8: they are not kept',
  );
});

test.each([
  ['Roboflow', { 'data.yaml': 'names: [hole, scratch]\nnc: 2\n' }, 'train/images', 'train/labels'],
  ['Ultralytics', { 'd.yaml': 'names:\n  0: hole\n  1: scratch\n' }, 'images/train', 'labels/train'],
  [
    'Label Studio',
    { 'classes.txt': 'hole\nscratch\n', 'notes.json': { categories: [] } },
    'images',
    'labels',
  ],
  [
    'Darknet',
    { 'obj.names': 'hole\r\nscratch\r\n', 'obj.data': 'classes = 2', 'train.txt': 'x' },
    'obj_train_data',
    'obj_train_data',
  ],
])('YOLO in the form of %s: boxes and polygons in fractions', async (_who, names, folder, labels) => {
  const taken = await takeFiles({
    ...names,
    ...(await images(`${folder}/a.jpg`, `${folder}/b.jpg`, `${folder}/c.jpg`)),
    [`${labels}/a.txt`]: '1 0.3125 0.5 0.125 0.5\n',
    [`${labels}/b.txt`]: '0 0.5 0.5 1 0.5 1 1\nnot a line\n',
    [`${labels}/c.txt`]: '',
  });
  expect(taken).toMatchObject({ layout: 'yolo', added: 2, inDataset: ['hole', 'scratch'] });
  expect(taken.shapes).toEqual([
    ['scratch', [box]],
    ['hole', [polygon]],
  ]);
  expect(taken.notes).toContain('lines that are neither a box nor a polygon, left out: 1');
  expect(reasonsOf(taken)[`${folder}/c.jpg`]).toMatch(/its annotation is empty: --unannotated good/);
});

test('YOLO without names of classes leads to a question', async () => {
  const files = { ...(await images('images/a.jpg')), 'labels/a.txt': '3 0.5 0.5 0.2 0.2\n' };
  await expect(takeFiles(files)).rejects.toMatchObject({
    code: 'label-ambiguous',
    remedy: expect.stringContaining('--map 3=NAME'),
  });
  expect((await takeFiles(files, { map: new Map([['3', 'hole']]) })).inDataset).toEqual(['hole']);
});

test('Pascal VOC: an XML file for each image', async () => {
  const xml = (name: string, objects: string) =>
    `<?xml version="1.0"?><annotation><folder>x</folder><filename>${name}</filename><path>C:\\data\\${name}</path>` +
    `<size><width>16</width><height>8</height><depth>3</depth></size>${objects}</annotation>`;
  const scratch =
    '<object><name>scratch</name><bndbox><xmin>4</xmin><ymin>2</ymin><xmax>6</xmax><ymax>6</ymax></bndbox></object>';
  const taken = await takeFiles(
    {
      ...(await images('JPEGImages/a.jpg', 'JPEGImages/b.jpg')),
      'Annotations/a.xml': xml('other.jpg', scratch),
      'Annotations/b.xml': xml('b.jpg', ''),
      'ImageSets/Main/train.txt': 'a\nb\n',
      'SegmentationClass/a.png': await maskOf(4, 2, 2, 4),
      'SegmentationObject/b.png': await maskOf(0, 0, 0, 0),
    },
    { unannotated: 'good' },
  );
  expect(taken).toMatchObject({ layout: 'voc', annotations: 2, masks: 2, inDataset: ['good', 'scratch'] });
  expect(taken.shapes).toEqual([
    ['scratch', [box, { kind: 'mask', label: 'scratch', png: expect.any(String) }]],
  ]);
});

test('CVAT for images: tags, boxes, polygons, ellipses and masks', async () => {
  const xml = `<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><name>t &amp; t</name></task></meta>
<image id="0" name="sub/a.png" width="16" height="8"><box label="scratch" xtl="4" ytl="2" xbr="6" ybr="6" occluded="0"/></image>
<image id="1" name="b.png" width="16" height="8"><polygon label="hole" points="8,4;16,4;16,8"/><polyline label="p" points="1,1;2,2"/></image>
<image id="2" name="c.png" width="16" height="8"><mask label="hole" rle="1, 2, 1" left="3" top="2" width="2" height="2"/></image>
<image id="3" name="d.png" width="16" height="8"><tag label="good"/></image>
<image id="4" name="e.png" width="16" height="8"><ellipse label="hole" cx="8" cy="4" rx="4" ry="2"/></image>
</annotations>`;
  const taken = await takeFiles({
    ...(await images('images/sub/a.png', 'images/b.png', 'images/c.png', 'images/d.png', 'images/e.png')),
    'annotations.xml': xml,
  });
  expect(taken).toMatchObject({ layout: 'cvat', added: 5, annotations: 1, skipped: [] });
  expect(taken.inDataset).toEqual(['good', 'hole', 'hole', 'hole', 'scratch']);
  const shapes = new Map(taken.shapes.map(([, list]) => [list[0]!.kind, list]));
  expect(shapes.get('box')).toEqual([box]);
  expect(await pixelsOf(shapes.get('mask')![0] as { png: string })).toEqual([2 * 16 + 4, 3 * 16 + 3]);
  expect(taken.notes).toEqual(['annotations.xml: lines, cuboids and skeletons, left out: 1']);
});

test('annotations and folders that disagree lead to a question; --label-from keeps the marks', async () => {
  const files = {
    ...(await images('good/a.png', 'crack/b.png', 'crack/c.png')),
    'all.json': coco(
      [
        { image_id: 0, category_id: 1, bbox: [4, 2, 2, 4] },
        { image_id: 1, category_id: 1, bbox: [4, 2, 2, 4] },
      ],
      ['crack/b.png', 'crack/c.png', 'good/a.png'],
    ),
  };
  await expect(takeFiles(files)).rejects.toMatchObject({
    code: 'dataset-layout',
    message: 'crack/b.png is crack by its folder and scratch according to COCO JSON',
  });
  const byFolder = await takeFiles(files, { labelFrom: 'parent' });
  expect(byFolder.inDataset).toEqual(['crack', 'crack', 'good']);
  expect(byFolder.marked).toBe(2);
  const byCoco = await takeFiles(files, { layout: 'coco' });
  expect(byCoco.inDataset).toEqual(['scratch', 'scratch']);
  // If they agree, folders label the images without an annotation.
  const map = new Map([['crack', 'scratch']]);
  expect((await takeFiles(files, { map })).inDataset).toEqual(['good', 'scratch', 'scratch']);
});

test('two kinds of annotations that disagree lead to a question', async () => {
  const files = {
    ...(await images('a.png')),
    'c.json': coco([{ image_id: 0, category_id: 1, bbox: [0, 0, 2, 2] }], ['a.png']),
    'labels.csv': 'file,label\na.png,hole\n',
  };
  await expect(takeFiles(files)).rejects.toMatchObject({
    code: 'dataset-layout',
    message: 'a.png is scratch according to COCO JSON and hole according to table labels.csv',
    remedy: 'say which counts: --layout coco or --layout csv',
  });
  expect((await takeFiles(files, { layout: 'csv' })).inDataset).toEqual(['hole']);
  await expect(takeFiles(files, { layout: 'yolo' })).rejects.toMatchObject({
    remedy: 'use one of what was found: folders, coco, csv',
  });
});

test('damaged or hostile annotation files are reported and do not stop the import', async () => {
  const deep = '['.repeat(200_000);
  const taken = await takeFiles({
    ...(await images('good/a.png', 'scratch/b.png')),
    'deep.json': deep,
    'deep.yaml': deep,
    'deep.xml': '<a>'.repeat(100_000),
    'half.json': '{"images": [',
    'bomb.xml': `<!DOCTYPE a [<!ENTITY x "${'y'.repeat(1000)}">${Array.from({ length: 20 }, (_, i) => `<!ENTITY x${i + 1} "${`&x${i || ''};`.repeat(10)}">`).join('')}]><annotation><filename>&x20;</filename></annotation>`,
    'odd.json': { images: { length: { toString: 1 } }, annotations: [], categories: [] },
    'proto.json': '{"__proto__": {"images": 1}, "images": [], "annotations": [], "categories": []}',
  });
  expect(taken.inDataset).toEqual(['good', 'scratch']);
});
