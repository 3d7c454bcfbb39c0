import sharp from 'sharp';
import { expect, test } from 'vitest';
import { images, maskOf, png, reasonsOf, takeFiles } from '../../rigs/image-folders.ts';

/** All images here have 16 × 8 pixels. */
const box = { kind: 'box', label: 'scratch', x: 0.25, y: 0.25, width: 0.125, height: 0.5 } as const;
const polygon = {
  kind: 'polygon',
  label: 'hole',
  points: [
    [0.5, 0.5],
    [1, 0.5],
    [1, 1],
  ],
} as const;

async function pixelsOf(shape: { readonly png: string } | undefined): Promise<number[]> {
  const data = await sharp(Buffer.from(shape!.png, 'base64')).extractChannel(0).raw().toBuffer();
  return [...data].flatMap((value, i) => (value === 255 ? i : []));
}

const coco = (annotations: readonly object[], files: readonly string[]) => ({
  info: {},
  images: files.map((file_name, id) => ({ id, file_name, width: 16, height: 8 })),
  categories: [
    { id: 0, name: 'defects', supercategory: 'none' },
    { id: 1, name: 'scratch' },
    { id: 2, name: 'hole' },
    { id: 3, name: 'good' },
  ],
  annotations: annotations.map((one, id) => ({ id, iscrowd: 0, area: 4, ...one })),
});

test('COCO: boxes, polygons and run lengths are kept, and images without an annotation are asked about', async () => {
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
  // Down the columns: pixels 2 to 4 of the first column, in both ways of writing it.
  for (const [shape] of shapes.slice(2))
    expect(await pixelsOf(shape as { png: string })).toEqual([32, 48, 64]);
  expect((await takeFiles(files, { unannotated: 'good' })).inDataset).toContain('good');
});

test('COCO: of several defects the largest is the label, and two labels for a whole image are none', async () => {
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

test('annotations for an image of another shape are not kept, and said', async () => {
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
])('YOLO as %s writes it: boxes and polygons in fractions', async (_who, names, folder, labels) => {
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

test('YOLO without the names of its classes asks for them', async () => {
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

test('Label Studio: choices, rectangles, polygons and brushes; the newest annotation counts', async () => {
  const result = (type: string, value: object) => ({ type, value, original_width: 16, original_height: 8 });
  const rectangle = { x: 25, y: 25, width: 12.5, height: 50, rotation: 0, rectanglelabels: ['scratch'] };
  const taken = await takeFiles({
    ...(await images('1a2b3c4d-a.png', 'b.png', 'c.png', 'd.png', 'e.png')),
    'project-1.json': [
      {
        id: 1,
        data: { image: '/data/upload/1/1a2b3c4d-a.png' },
        annotations: [{ result: [result('rectanglelabels', rectangle)] }],
      },
      {
        id: 2,
        data: { image: '/data/local-files/?d=parts%2Fb.png' },
        annotations: [
          {
            updated_at: '2026-01-02T00:00:00Z',
            result: [
              result('polygonlabels', {
                points: [
                  [50, 50],
                  [100, 50],
                  [100, 100],
                ],
                polygonlabels: ['hole'],
              }),
            ],
          },
          { updated_at: '2026-01-01T00:00:00Z', result: [result('choices', { choices: ['good'] })] },
        ],
      },
      {
        id: 3,
        data: { img: 's3://bucket/x/c.png' },
        annotations: [{ result: [result('choices', { choices: ['good'] })] }],
      },
      {
        id: 4,
        data: { image: 'https://host/d.png?x=1' },
        annotations: [{ was_cancelled: true, result: [] }],
        predictions: [{}],
      },
    ],
  });
  expect(taken).toMatchObject({ layout: 'label-studio', added: 3, annotations: 1 });
  expect(taken.inDataset).toEqual(['good', 'hole', 'scratch']);
  expect(taken.shapes).toEqual([
    ['scratch', [box]],
    ['hole', [polygon]],
  ]);
  expect(taken.notes).toEqual(['b.png: the newest of 2 annotations is taken']);
  expect(Object.keys(reasonsOf(taken))).toEqual(['d.png', 'e.png']);

  const minimal = await takeFiles({
    ...(await images('a.png', 'b.png')),
    'min.json': [
      { image: '/data/upload/2/aabbccdd-a.png', choice: 'good' },
      { image: 'b.png', label: [{ ...rectangle, original_width: 16, original_height: 8 }] },
    ],
  });
  expect(minimal).toMatchObject({
    layout: 'label-studio',
    inDataset: ['good', 'scratch'],
    shapes: [['scratch', [box]]],
  });
});

test('labelme: a JSON file beside each image', async () => {
  const json = (name: string, shapes: readonly object[], flags = {}) => ({
    version: '5.4.1',
    flags,
    shapes,
    imagePath: name,
    imageData: null,
    imageWidth: 16,
    imageHeight: 8,
  });
  const shape = (label: string, shape_type: string, points: number[][]) => ({
    label,
    points,
    shape_type,
    flags: {},
  });
  const pixels = Buffer.from([0, 255, 255, 0]);
  const small = await sharp(pixels, { raw: { width: 2, height: 2, channels: 1 } })
    .png()
    .toBuffer();
  const taken = await takeFiles({
    ...(await images('a.jpg', 'b.jpg', 'c.jpg', 'd.jpg')),
    'a.json': json('..\\x\\a.jpg', [
      shape('scratch', 'rectangle', [
        [6, 6],
        [4, 2],
      ]),
    ]),
    'b.json': json('b.jpg', [
      shape('hole', 'polygon', [
        [8, 4],
        [16, 4],
        [16, 8],
      ]),
    ]),
    'c.json': json('c.jpg', [], { good: true, bad: false }),
    'd.json': json('d.jpg', []),
    'e.jpg': await png(9),
    'e.json': json('e.jpg', [
      {
        ...shape('dent', 'mask', [
          [3, 2],
          [4, 3],
        ]),
        mask: small.toString('base64'),
      },
    ]),
  });
  expect(taken).toMatchObject({ layout: 'labelme', added: 4, annotations: 5 });
  expect(taken.inDataset).toEqual(['dent', 'good', 'hole', 'scratch']);
  const [, [mask]] = taken.shapes.find(([label]) => label === 'dent')!;
  expect(await pixelsOf(mask as { png: string })).toEqual([2 * 16 + 4, 3 * 16 + 3]);
  expect(taken.shapes.slice(0, 2)).toEqual([
    ['scratch', [box]],
    ['hole', [polygon]],
  ]);
  expect(reasonsOf(taken)['d.jpg']).toMatch(/its annotation is empty/);
});

test('points of labelme, CVAT and Label Studio become marks', async () => {
  const at = (x: number, y: number) => ({ kind: 'point', label: 'pit', x, y });
  const labelme = await takeFiles({
    ...(await images('a.jpg', 'b.jpg')),
    'a.json': {
      version: '5.5.0',
      flags: {},
      shapes: [
        {
          label: 'pit',
          points: [[4, 2]],
          group_id: null,
          description: '',
          shape_type: 'point',
          flags: {},
          mask: null,
        },
        {
          label: 'pit',
          points: [[16.5, 2]],
          group_id: null,
          description: '',
          shape_type: 'point',
          flags: {},
          mask: null,
        },
      ],
      imagePath: 'a.jpg',
      imageData: null,
      imageHeight: 8,
      imageWidth: 16,
    },
    'b.json': {
      version: '5.5.0',
      flags: {},
      shapes: [
        {
          label: 'pit',
          points: [
            [1, 1],
            [2, 2],
          ],
          group_id: null,
          shape_type: 'line',
          flags: {},
        },
      ],
      imagePath: 'b.jpg',
      imageData: null,
      imageHeight: 8,
      imageWidth: 16,
    },
  });
  expect(labelme).toMatchObject({ layout: 'labelme', inDataset: ['pit', 'pit'] });
  expect(labelme.shapes).toEqual([['pit', [at(0.25, 0.25)]]]);
  expect(labelme.notes).toContain('lines, which have no area, left out: 1');
  expect(labelme.notes).toContain('a.jpg: a point of pit lies outside of the image: not kept');

  const cvat = await takeFiles({
    ...(await images('a.png')),
    'annotations.xml': `<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
<image id="0" name="a.png" width="16" height="8">
  <points label="pit" source="manual" occluded="0" points="4.00,2.00;8.00,4.00" z_order="0"></points>
</image></annotations>`,
  });
  expect(cvat.shapes).toEqual([['pit', [at(0.25, 0.25), at(0.5, 0.5)]]]);
  expect(cvat.notes.join()).not.toContain('left out');

  const studio = await takeFiles({
    ...(await images('a.png', 'b.png')),
    'project.json': [
      {
        id: 1,
        data: { image: '/data/upload/1/1a2b3c4d-a.png' },
        annotations: [
          {
            result: [
              {
                original_width: 16,
                original_height: 8,
                image_rotation: 0,
                value: { x: 25, y: 25, width: 0.5, keypointlabels: ['pit'] },
                from_name: 'kp',
                to_name: 'image',
                type: 'keypointlabels',
              },
            ],
          },
        ],
      },
      {
        id: 2,
        data: { image: '/data/upload/1/5e6f7a8b-b.png' },
        annotations: [
          {
            result: [
              {
                original_width: 16,
                original_height: 8,
                value: { x: 50, y: 50, radiusX: 25, radiusY: 25, rotation: 0, ellipselabels: ['pit'] },
                type: 'ellipselabels',
              },
            ],
          },
        ],
      },
    ],
  });
  const [point, oval] = studio.shapes.map(([, shapes]) => shapes[0]!);
  expect(point).toEqual(at(0.25, 0.25));
  expect(oval).toMatchObject({ kind: 'polygon', label: 'pit' });
  const xs = (oval as { points: [number, number][] }).points.map(([x]) => x);
  expect([Math.min(...xs), Math.max(...xs)]).toEqual([0.25, 0.75]);
});

test('of points of two kinds of defects none is the larger', async () => {
  const taken = await takeFiles({
    ...(await images('a.png')),
    'annotations.xml':
      '<annotations><image id="0" name="a.png" width="16" height="8"><points label="pit" points="4,2"/><points label="dent" points="8,4"/></image></annotations>',
  });
  expect(reasonsOf(taken)['a.png']).toBe('shows pit and dent: the dataset holds one label for a part');
});

test('VIA: regions of a project, with the attribute that names the label', async () => {
  const region = (shape: object, attributes: object) => ({
    shape_attributes: shape,
    region_attributes: attributes,
  });
  const image = (filename: string, regions: readonly object[], file_attributes = {}) => ({
    [`${filename}123`]: { filename, size: 123, regions, file_attributes },
  });
  const metadata = {
    ...image('a.png', [
      region({ name: 'rect', x: 4, y: 2, width: 2, height: 4 }, { note: 'left', class: 'scratch' }),
    ]),
    ...image('b.png', [
      region(
        { name: 'polygon', all_points_x: [8, 16, 16], all_points_y: [4, 4, 8] },
        { defect: { hole: true, dent: false } },
      ),
      region({ name: 'point', cx: 4, cy: 2 }, { defect: { hole: true } }),
      region({ name: 'polyline', all_points_x: [1, 2], all_points_y: [1, 2] }, { defect: 'hole' }),
      region({ name: 'circle', cx: 4, cy: 2, r: 1 }, {}),
    ]),
    ...image('c.png', [], { caption: 'a fine part', label: 'good' }),
    ...image('d.png', [], { caption: 'a fine part', public_domain: 'no', image_url: '' }),
  };
  const files = await images('a.png', 'b.png', 'c.png', 'd.png');
  const project = {
    _via_settings: { core: {} },
    _via_img_metadata: metadata,
    _via_attributes: { region: {}, file: {} },
  };
  for (const content of [project, metadata]) {
    const taken = await takeFiles({ ...files, 'via.json': content });
    expect(taken).toMatchObject({ layout: 'via', inDataset: ['good', 'hole', 'scratch'] });
    expect(taken.shapes).toEqual([
      ['scratch', [box]],
      ['hole', [polygon, { kind: 'point', label: 'hole', x: 0.25, y: 0.25 }]],
    ]);
    expect(taken.notes).toEqual([
      'lines, which have no area, left out: 1',
      'regions without an attribute that names a label, left out: 1',
    ]);
    expect(reasonsOf(taken)).toEqual({ 'd.png': expect.stringContaining('its annotation is empty') });
  }
});

const rows = (separator: string, ...lines: readonly (readonly string[])[]) =>
  lines.map((line) => line.join(separator)).join('\r\n');

test.each<[string, string | Buffer, string]>([
  ['commas', 'filename,label\na.jpg,good\nb.jpg,scratch\n', 'good scratch'],
  [
    'semicolons and other names',
    rows(';', ['Image Name', 'Klasse'], ['sub/a', 'good'], ['b', 'scratch']),
    'good scratch',
  ],
  [
    'a mark of UTF-8 and quotes',
    '\ufeff"file_name","defect_type"\n"a.jpg","good"\n"b.jpg","scratch, deep"\n',
    'good scratch, deep',
  ],
  [
    'UTF-16 and tabs',
    Buffer.from(
      `\ufeff${rows('\t', ['path', 'category'], ['C:\\x\\a.jpg', 'good'], ['b.jpg', 'Riß'])}`,
      'utf16le',
    ),
    'Riß good',
  ],
  ['Windows-1252', Buffer.from('file;label\na.jpg;good\nb.jpg;Gr\xe4te\n', 'latin1'), 'Gräte good'],
  [
    'names in another case, with signs of URLs',
    'file,label\nSUB\\A.JPG,good\nB.jpg,scratch\n',
    'good scratch',
  ],
  ['no header', 'a.jpg,good\nb.jpg,scratch\n', 'good scratch'],
  [
    'a column for each label (Roboflow)',
    'filename, good, scratch\na.jpg, 1, 0\nb.jpg, 0, 1\n',
    'good scratch',
  ],
  [
    'a number and a name of each class',
    ',file,split,class_id,class_name\n0,a.jpg,train,0,good\n1,b.jpg,test,1,scratch\n',
    'good scratch',
  ],
])('a table with %s', async (_what, table, labels) => {
  const taken = await takeFiles({ ...(await images('sub/a.jpg', 'b.jpg', 'c.jpg')), 'labels.csv': table });
  expect(taken).toMatchObject({ layout: 'csv', annotations: 1 });
  expect(taken.inDataset.join(' ')).toBe(labels);
  expect(reasonsOf(taken)).toEqual({ 'c.jpg': expect.stringContaining('it has no annotation') });
});

test('JSON lines of plain objects are a table', async () => {
  const lines = [
    { file_name: 'train/part #1 50%.png', label: 'good', size: { w: 1 } },
    { file_name: 'train/2.png', label: 'scratch' },
  ];
  const taken = await takeFiles({
    ...(await images('train/part #1 50%.png', 'train/2.png')),
    'metadata.jsonl': lines.map((line) => JSON.stringify(line)).join('\n'),
  });
  expect(taken).toMatchObject({ layout: 'csv', inDataset: ['good', 'scratch'], skipped: [] });
});

test('a table with boxes, masks and parts keeps them', async () => {
  const taken = await takeFiles({
    ...(await images('a.jpg', 'b.jpg')),
    'train.csv': rows(
      ',',
      ['filename', 'width', 'height', 'class', 'xmin', 'ymin', 'xmax', 'ymax', 'serial'],
      ['a.jpg', '16', '8', 'scratch', '4', '2', '6', '6', 'P-1'],
      ['b.jpg', '16', '8', 'good', '', '', '', '', 'P-2'],
      ['gone.jpg', '16', '8', 'good', '', '', '', '', 'P-3'],
    ),
  });
  expect(taken.inDataset).toEqual(['good', 'scratch']);
  expect(taken.shapes).toEqual([['scratch', [box]]]);
  expect(taken.notes).toEqual(['images that the table train.csv names and that are not here: gone.jpg']);
});

test('two tables that disagree are asked about, unless the folders say it', async () => {
  const tables = { 'a.csv': 'file,label\na.jpg,good\nb.jpg,scratch\n', 'b.csv': 'file,label\nb.jpg,hole\n' };
  await expect(takeFiles({ ...(await images('a.jpg', 'b.jpg')), ...tables })).rejects.toMatchObject({
    code: 'dataset-layout',
    message: 'b.jpg is scratch in a.csv and hole in b.csv',
  });
  const sorted = await takeFiles({ ...(await images('good/a.jpg', 'hole/b.jpg')), ...tables });
  expect(sorted.inDataset).toEqual(['good', 'hole']);
});

test('a table whose label column is not plain is asked about', async () => {
  const files = {
    ...(await images('a.jpg', 'b.jpg')),
    'x.csv': 'datei,befund,linie\na.jpg,good,1\nb.jpg,scratch,2\n',
  };
  await expect(takeFiles(files)).rejects.toMatchObject({
    code: 'dataset-layout',
    message: 'x.csv names images, but which of its columns holds the label? datei, befund, linie',
    remedy: 'name the column of the label: --label-column "befund"',
  });
  expect((await takeFiles(files, { labelColumn: 'Befund' })).inDataset).toEqual(['good', 'scratch']);
  // Folders that say it are enough: the table holds something else.
  const sorted = { ...(await images('good/a.jpg', 'scratch/b.jpg')), 'x.csv': files['x.csv'] };
  expect((await takeFiles(sorted)).inDataset).toEqual(['good', 'scratch']);
});

test('annotations and folders that disagree are asked about; --label-from keeps what is marked', async () => {
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
  // Where they agree, folders label what has no annotation.
  const map = new Map([['crack', 'scratch']]);
  expect((await takeFiles(files, { map })).inDataset).toEqual(['good', 'scratch', 'scratch']);
});

test('two kinds of annotations that disagree are asked about', async () => {
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

test('annotation files that are damaged or hostile are said and stop nothing', async () => {
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
