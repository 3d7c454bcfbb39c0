import { mkdir, readdir, readFile, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { openCellCache } from '../../../calibration/train/cell-cache.ts';
import { openKeptCells } from '../../../calibration/train/kept-cells.ts';
import { viewSets } from '../../../calibration/train/views.ts';
import type { Image } from '../../../models/image.ts';
import { tempFolder } from '../../models/temp-folder.ts';

const base = { sha256: 'ab'.repeat(32) };
/** Bytes of a file with the cells of `mapsOf`. */
const fileBytes = 24 + 2 * 3 * 6;

/** Maps that distinguish images of different brightness. */
async function mapsOf({ data }: Image) {
  const value = data[0]! / 255;
  const stage2 = { channels: 1, height: 4, width: 6, data: new Float32Array(24).fill(value) };
  const stage3 = { channels: 2, height: 2, width: 3, data: new Float32Array(12).fill(-value) };
  return { features: new Float32Array(1), maps: { stage2, stage3 } };
}

async function framesIn(folder: string, count: number) {
  return await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const file = join(folder, 'good', `${i}.png`);
      await sharp({ create: { width: 9, height: 7, channels: 3, background: `rgb(${50 * i + 10},0,0)` } })
        .png()
        .toFile(file);
      return { id: String(i).repeat(64), file };
    }),
  );
}

async function rig(folder: string, { count = 2, maxBytes = 1e6, minFreeBytes = 0 } = {}) {
  const looked: number[] = [];
  const notices: string[] = [];
  const disk = await openKeptCells({
    storageDirectory: folder,
    base,
    minFreeBytes,
    maxBytes,
    onNotice: (text) => notices.push(text),
  });
  const open = (memory = 0) =>
    openCellCache({
      disk,
      maxBytes: memory,
      mapsOf: (image) => {
        looked.push(image.data[0]!);
        return mapsOf(image);
      },
    });
  return { frames: await framesIn(folder, count), looked, notices, open };
}

const files = (folder: string) => readdir(join(folder, 'features', `${base.sha256.slice(0, 16)}-cells`));

async function folderWithImages() {
  const folder = await tempFolder();
  await mkdir(join(folder.path, 'good'));
  return folder;
}

it('computes each view once, also for the next training', async () => {
  await using folder = await folderWithImages();
  const first = await rig(folder.path);
  const source = first.open().sourceOf(first.frames);
  for (let pass = 0; pass < 3; pass++) {
    for (const i of first.frames.keys()) {
      for (const view of viewSets.flips) await source.cells(i, view);
    }
  }
  expect(first.looked).toHaveLength(8);
  expect(source.size(0)).toEqual({ width: 9, height: 7 });
  const seen = (await source.cells(1, 3)).data;

  const second = await rig(folder.path, { count: 3 });
  const again = second.open().sourceOf(second.frames);
  expect((await again.cells(1, 3)).data).toEqual(seen);
  expect(again.size(1)).toEqual({ width: 9, height: 7 });
  await again.cells(2, 0);
  expect(second.looked).toHaveLength(1);
  expect([...first.notices, ...second.notices]).toEqual([]);
});

it('does not compute cells again that were computed with the features', async () => {
  await using folder = await folderWithImages();
  const { frames, looked, open } = await rig(folder.path);
  const cache = open();
  const image = { width: 9, height: 7, data: Uint8Array.of(100, 0, 0) };
  await cache.keep(frames[0]!, 5, image, (await mapsOf(image)).maps);
  const { data } = await cache.sourceOf(frames).cells(0, 5);
  expect(data[0]).toBeCloseTo(100 / 255, 3);
  expect(looked).toEqual([]);
});

it('computes damaged files again', async () => {
  await using folder = await folderWithImages();
  const { frames, looked, open } = await rig(folder.path);
  const source = open().sourceOf(frames);
  const { data } = await source.cells(0, 0);
  const [name] = await files(folder.path);
  const file = join(folder.path, 'features', `${base.sha256.slice(0, 16)}-cells`, name!);
  const whole = await readFile(file);
  for (const damage of [
    () => truncate(file, fileBytes - 3),
    () => truncate(file, 0),
    () => writeFile(file, whole.with(30, whole[30]! ^ 1)),
  ]) {
    looked.length = 0;
    await damage();
    expect((await source.cells(0, 0)).data).toEqual(data);
    expect(looked).toHaveLength(1);
    expect(await readFile(file)).toEqual(whole);
  }
});

it('removes the least recently used files, never those of this training', async () => {
  await using folder = await folderWithImages();
  const before = await rig(folder.path, { count: 2 });
  const old = before.open().sourceOf(before.frames);
  await old.cells(0, 0);
  await old.cells(1, 0);
  const [oldest] = await files(folder.path);
  const past = new Date(Date.now() - 1_000_000);
  await utimes(join(folder.path, 'features', `${base.sha256.slice(0, 16)}-cells`, oldest!), past, past);

  const { frames, looked, open } = await rig(folder.path, { count: 4, maxBytes: 2 * fileBytes });
  const source = open().sourceOf(frames);
  await source.cells(2, 0);
  expect((await files(folder.path)).sort()).toEqual([`${'1'.repeat(64)}-0.f16`, `${'2'.repeat(64)}-0.f16`]);
  await source.cells(1, 0);
  await source.cells(3, 0);
  expect(await files(folder.path)).toHaveLength(2);
  await source.cells(3, 0);
  // Views without space in the cache are computed each time.
  expect(looked).toEqual([110, 160, 160]);
});

it('keeps cells in memory while the disk is nearly full', async () => {
  await using folder = await folderWithImages();
  const { frames, looked, notices, open } = await rig(folder.path, { minFreeBytes: 1e18 });
  const source = open(1e6).sourceOf(frames);
  await source.cells(0, 0);
  await source.cells(0, 0);
  expect(looked).toHaveLength(1);
  expect(await files(folder.path)).toEqual([]);
  expect(notices).toEqual([]);
});
