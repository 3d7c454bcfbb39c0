import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readFiles } from '../../../agent/camera/file/source.ts';
import type { Image } from '../../../models/image.ts';
import { type Colour, colourAt, drawn } from '../../rigs/drawn.ts';
import { until } from '../../rigs/until.ts';
import { attempt } from './attempt.ts';

const RED: Colour = [200, 30, 40];
const GREEN: Colour = [40, 170, 60];
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qc-camera-'));
});
afterEach(() => rm(folder, { recursive: true }));

const asPng = ({ width, height, data }: Image) =>
  sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();

/** A plain 24-bit bitmap, rows from the bottom up. */
function asBmp({ width, height, data }: Image): Buffer {
  const stride = Math.ceil((width * 3) / 4) * 4;
  const bytes = Buffer.alloc(54 + stride * height);
  bytes.write('BM');
  bytes.writeUInt32LE(54, 10);
  bytes.writeUInt32LE(40, 14);
  bytes.writeInt32LE(width, 18);
  bytes.writeInt32LE(height, 22);
  bytes.writeUInt16LE(1, 26);
  bytes.writeUInt16LE(24, 28);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++) {
        bytes[54 + stride * (height - 1 - y) + x * 3 + 2 - c] = data[(y * width + x) * 3 + c]!;
      }
    }
  }
  return bytes;
}

it('plays the files of a folder in order of their names, in a loop, and names the file of each frame', async () => {
  await writeFile(join(folder, '10.png'), await asPng(drawn(33, 20, GREEN)));
  await writeFile(
    join(folder, '9.bmp'),
    asBmp(drawn(33, 20, RED, { x: 0, y: 0, width: 3, height: 2, colour: GREEN })),
  );
  await writeFile(join(folder, 'notes.txt'), 'not a picture');
  await using camera = attempt(readFiles, { url: `file:${folder}`, maxFps: 200 });
  const frames = await camera.reached(4);
  expect(frames.slice(0, 4).map(({ source }) => source)).toEqual(['9.bmp', '10.png', '9.bmp', '10.png']);
  expect(frames.every(({ simulated }) => simulated)).toBe(true);
  expect(colourAt(frames[0]!.image, 2, 1)).toEqual(GREEN);
  expect(colourAt(frames[0]!.image, 3, 1)).toEqual(RED);
  expect(colourAt(frames[1]!.image, 32, 19)).toEqual(GREEN);
});

it('cuts the region to the pixel, scales large ones down and adds previews', async () => {
  const file = join(folder, 'one.png');
  await writeFile(
    file,
    await asPng(drawn(1200, 1000, RED, { x: 300, y: 0, width: 900, height: 1000, colour: GREEN })),
  );
  await using camera = attempt(readFiles, { url: `file://${file}`, region: { x: 0.25, width: 0.75 } });
  camera.watched = true;
  const [frame] = await camera.reached(1);
  expect(frame!.image).toMatchObject({ width: 320, height: 356 });
  expect(colourAt(frame!.image, 0, 0)).toEqual(GREEN);
  expect(frame!.preview).toMatchObject({ width: 480, height: 400 });
  await using larger = attempt(readFiles, { url: `file://${file}`, shorterSide: 640 });
  const [whole] = await larger.reached(1);
  expect(whole!.image).toMatchObject({ width: 768, height: 640 });
});

it('skips unreadable files, counts them and names each once', async () => {
  await writeFile(join(folder, 'bad.png'), 'this is no png');
  await writeFile(join(folder, 'good.png'), await asPng(drawn(20, 20, RED)));
  await using camera = attempt(readFiles, { url: `file:${folder}`, maxFps: 200 });
  await camera.reached(3);
  await until(() => camera.dropped.corrupt >= 2);
  expect(camera.faults).toHaveLength(1);
  expect(camera.faults[0]!.message).toContain('bad.png');
});

it('refuses a folder that is missing, empty, or holds no image', async () => {
  await using missing = attempt(readFiles, { url: `file:${folder}/nothing` });
  expect(await missing.failure()).toMatchObject({
    code: 'camera-files',
    message: `${folder}/nothing does not exist`,
  });
  await using empty = attempt(readFiles, { url: `file:${folder}` });
  expect((await empty.failure()).message).toContain('contains no png');
  await writeFile(join(folder, 'bad.png'), 'this is no png');
  await using unreadable = attempt(readFiles, { url: `file:${folder}` });
  expect((await unreadable.failure()).message).toContain('none of the 1 files');
});

it('refuses a region without pixels', async () => {
  await writeFile(join(folder, 'small.png'), await asPng(drawn(20, 20, RED)));
  await using camera = attempt(readFiles, { url: `file:${folder}`, region: { width: 0.1 } });
  expect((await camera.failure()).code).toBe('camera-region');
});
