import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { indexAnnotations } from '../../../calibration/dataset/annotations.ts';
import { openDataset, readDataset } from '../../../calibration/dataset/dataset.ts';
import { placesOf, placesOfFrames } from '../../../calibration/dataset/marks.ts';
import type { Shape } from '../../../calibration/dataset/shapes.ts';
import { pointInView, viewOf } from '../../../calibration/train/views.ts';
import type { Image } from '../../../models/image.ts';
import { inFrame, inRegion } from '../../../models/prepare/region.ts';
import { tempFolder } from '../../models/temp-folder.ts';

const good = ['good'];
const scratch = { label: 'scratch' };
const onNotice = () => undefined;

async function mask(rows: readonly string[]): Promise<Shape> {
  const data = Buffer.from(rows.flatMap((row) => Array.from(row, (one) => (one === '#' ? 255 : 0))));
  const raw = { width: rows[0]!.length, height: rows.length, channels: 1 as const };
  const png = await sharp(data, { raw }).png().toBuffer();
  return { kind: 'mask', ...scratch, png: png.toString('base64') };
}

async function centerOf(shape: Shape): Promise<readonly number[] | undefined> {
  const [place] = await placesOf(scratch, [shape], good);
  return place && [place.x, place.y, place.width, place.height];
}

test('each kind of shape has a place, with its extent', async () => {
  expect(await centerOf({ kind: 'point', ...scratch, x: 0.2, y: 0.7 })).toEqual([0.2, 0.7, 0, 0]);
  const box: Shape = { kind: 'box', ...scratch, x: 0.25, y: 0.5, width: 0.5, height: 0.25 };
  expect(await centerOf(box)).toEqual([0.5, 0.625, 0.5, 0.25]);
  const corner: [number, number][] = [
    [0, 0],
    [1, 0],
    [1, 0.25],
    [0.25, 0.25],
    [0.25, 1],
    [0, 1],
  ];
  // The centre of gravity of an L shape is outside of it.
  const [x, y] = (await centerOf({ kind: 'polygon', ...scratch, points: corner }))!;
  expect([x! < 0.25 || y! < 0.25, x! > 0, y! > 0]).toEqual([true, true, true]);
  const triangle: [number, number][] = [
    [0, 0],
    [0.75, 0],
    [0, 0.75],
  ];
  const of = (await centerOf({ kind: 'polygon', ...scratch, points: triangle }))!;
  expect(of[0]).toBeCloseTo(0.25);
  expect(of[1]).toBeCloseTo(0.25);
  expect(of.slice(2)).toEqual([0.75, 0.75]);
});

test('a mask has the place of its largest blob, inside of it', async () => {
  expect(
    await centerOf(await mask(['#.........', '....##....', '...##.....', '#.........', '..........'])),
  ).toEqual([0.45, 0.4, 0.3, 0.4]);
  // A ring: its nearest pixel.
  const [x, y] = (await centerOf(await mask(['.....', '.###.', '.#.#.', '.###.', '.....'])))!;
  expect(['.###.', '.#.#.', '.###.'][Math.floor(y! * 5) - 1]?.[Math.floor(x! * 5)]).toBe('#');
  expect(await centerOf(await mask(['...', '...']))).toBeUndefined();
  expect(await centerOf({ kind: 'mask', ...scratch, png: 'AAAA' })).toBeUndefined();
});

test('only marks of the defect count', async () => {
  const at = (label: string, x: number): Shape => ({ kind: 'point', label, x, y: 0.5 });
  const xs = async (label: string, ...shapes: Shape[]) =>
    (await placesOf({ label }, shapes, good)).map(({ x }) => x);
  expect(await xs('scratch', at('scratch', 0.1), at('dent', 0.2), at('scratch', 0.3))).toEqual([0.1, 0.3]);
  expect(await xs('relabelled', at('scratch', 0.1), at('good', 0.2))).toEqual([0.1]);
  expect(await xs('good', at('scratch', 0.1), at('good', 0.2))).toEqual([]);
});

test('points are stored in lines of schema 2, and an older agent ignores them', async () => {
  await using folder = await tempFolder();
  const ids: string[] = [];
  {
    await using dataset = await openDataset(folder.path, { onNotice, labels: good });
    for (const [value, shape] of [
      { kind: 'box', ...scratch, x: 0, y: 0, width: 0.5, height: 0.5 } as const,
      { kind: 'point', ...scratch, x: 0.125, y: 0.25 } as const,
    ].entries()) {
      const image = { width: 6, height: 4, data: new Uint8Array(72).fill(value) };
      const marks = { shapes: [shape], source: 'test' };
      ids.push((await dataset.add({ image, label: 'scratch', by: 'anna', marks })).id);
    }
  }
  const file = join(folder.path, 'dataset/annotations.jsonl');
  const lines = (await readFile(file, 'utf8')).trim().split('\n');
  expect(lines.map((line) => line.slice(0, 17))).toEqual(['{"schema":1,"id":', '{"schema":2,"id":']);
  // A line of a later version is ignored in the same way.
  const later = lines[0]!.replace('"schema":1', '"schema":3');
  await writeFile(file, `${lines.join('\n')}\n${later}\n`);
  const { frames } = await readDataset(folder.path, onNotice);
  const found = await placesOfFrames(frames, await indexAnnotations(folder.path), good);
  expect(ids.map((id) => found.get(id)?.map(({ x, y }) => [x, y]))).toEqual([
    [[0.25, 0.25]],
    [[0.125, 0.25]],
  ]);
});

test('points are converted between frame and region', () => {
  const region = { x: 0.25, y: 0.5, width: 0.5, height: 0.25 };
  expect(inRegion({ x: 0.5, y: 0.5625 }, region)).toEqual({ x: 0.5, y: 0.25 });
  expect(inFrame({ x: 0.5, y: 0.25 }, region)).toEqual({ x: 0.5, y: 0.5625 });
  expect(inRegion({ x: 0.2, y: 0.6 }, region)).toBeUndefined();
  expect(inRegion({ x: 0.75, y: 0.75 }, region)).toEqual({ x: 1, y: 1 });
});

test('a point is found in every view of the image', async () => {
  const [width, height] = [90, 60];
  for (const [column, row] of [
    [30, 20],
    [70, 45],
  ] as const) {
    const image = { width, height, data: new Uint8Array(width * height * 3) };
    image.data.fill(255, (row * width + column) * 3, (row * width + column + 1) * 3);
    const point = { x: (column + 0.5) / width, y: (row + 0.5) / height };
    for (let view = 0; view < 15; view++) {
      const seen = await viewOf(image, view);
      const expected = pointInView(point, image, view)!;
      const found = brightest(seen);
      const off = Math.hypot((found.x - expected.x) * seen.width, (found.y - expected.y) * seen.height);
      expect(off, `view ${view}`).toBeLessThan(0.75);
    }
  }
  const corner = { x: 0.99, y: 0.01 };
  const shown = Array.from({ length: 15 }, (_, view) => pointInView(corner, { width, height }, view));
  expect(shown.flatMap((point, view) => (point ? [] : [view]))).toEqual([11, 12, 13, 14]);
});

function brightest({ width, height, data }: Image): { x: number; y: number } {
  let [sum, x, y] = [0, 0, 0];
  for (let i = 0; i < width * height; i++) {
    const value = data[i * 3]!;
    sum += value;
    x += value * ((i % width) + 0.5);
    y += value * (Math.floor(i / width) + 0.5);
  }
  return { x: x / sum / width, y: y / sum / height };
}
