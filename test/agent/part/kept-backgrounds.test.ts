import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openLog } from '../../../agent/lifecycle/log.ts';
import { openKeptBackgrounds } from '../../../agent/part/kept-backgrounds.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'qc-backgrounds-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const region = { x: 0.25, y: 0.1, width: 0.5, height: 0.8 };
const view = { region, width: 4, height: 2 };
const levels = {
  level: Float32Array.of(0, 1.5, 20.25, 255, 128, 7, 8, 9),
  noise: Float32Array.of(1.5, 1.5, 2, 5, 1, 1, 1, 1),
};

const open = (url = 'rtsp://10.0.0.7/stream1') =>
  openKeptBackgrounds({
    storageDirectory: directory,
    camera: 'top',
    url,
    log: openLog({ level: 'error', format: 'json' }, false),
  });

async function keep(): Promise<string> {
  await using kept = await open();
  kept.keep(view, levels);
  return join(directory, 'presence', 'top.json');
}

test('a background is found only by its region and shape', async () => {
  await keep();
  await using kept = await open();
  expect(kept.find(view)).toEqual(levels);
  expect(kept.find({ ...view, region: { ...region, x: 0.2 } })).toBeUndefined();
  expect(kept.find({ ...view, width: 2, height: 4 })).toBeUndefined();
});

test('each region has its own background, and another camera has none', async () => {
  await using kept = await open();
  const other = { ...view, region: { ...region, x: 0.2 } };
  kept.keep(view, levels);
  kept.keep(other, { ...levels, level: levels.noise });
  expect(kept.find(view)?.level).toEqual(levels.level);
  expect(kept.find(other)?.level).toEqual(levels.noise);
  await kept[Symbol.asyncDispose]();
  await using moved = await open('rtsp://10.0.0.8/stream1');
  expect(moved.find(view)).toBeUndefined();
});

test('a changed bit of the file never gives another background', async () => {
  const file = await keep();
  const intact = await readFile(file);
  for (let bit = 0; bit < 8 * intact.length; bit++) {
    const damaged = Buffer.from(intact);
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    await writeFile(file, damaged);
    await using kept = await open();
    const found = kept.find(view);
    if (found) expect(found).toEqual(levels);
  }
});

test.each(['', '{}', '[]', 'null', '{"schema":2,"backgrounds":[]}', '\u0000\u0000'])(
  'a file of another version or damage is ignored, and replaced: %j',
  async (text) => {
    const file = await keep();
    await writeFile(file, text);
    {
      await using kept = await open();
      expect(kept.find(view)).toBeUndefined();
      kept.keep(view, levels);
    }
    await using kept = await open();
    expect(kept.find(view)).toEqual(levels);
  },
);
