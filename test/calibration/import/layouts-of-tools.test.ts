import sharp from 'sharp';
import { expect, test } from 'vitest';
import { images, png, reasonsOf, takeFiles } from '../../rigs/image-folders.ts';
import { box, pixelsOf, polygon } from './shapes-of-16-by-8.ts';

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

test('labelme: a JSON file next to each image', async () => {
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

test('points of two kinds of defects have no largest one', async () => {
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
