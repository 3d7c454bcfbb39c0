import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { readWithNodeAv } from '../../../agent/camera/node-av/source.ts';
import { type Colour, colourAt, difference } from '../../rigs/drawn.ts';
import { gstMissing, openGstRtsp } from '../../rigs/gst-rtsp.ts';
import { until } from '../../rigs/until.ts';
import { attempt } from './attempt.ts';
import { rtspContract } from './contract.ts';
import { damageContract } from './damage-contract.ts';

const missing = gstMissing();
rtspContract('node-av', readWithNodeAv, missing);
damageContract('node-av', readWithNodeAv, true);

it.skipIf(missing)('adds previews while someone watches', async () => {
  await using server = await openGstRtsp({ width: 1280, height: 720 });
  await using camera = attempt(readWithNodeAv, { url: server.url, region: { width: 0.5 } });
  await camera.reached(2);
  expect(camera.frames[0]!.preview).toBeUndefined();
  camera.watched = true;
  const frame = await until(() => camera.frames.find(({ preview }) => preview));
  expect(frame.preview).toMatchObject({ width: 480, height: 270 });
  expect(frame.preview!.data).toHaveLength(480 * 270 * 3);
  camera.watched = false;
  await until(() => !camera.frames.at(-1)!.preview, { what: 'the end of the previews' });
});

it.skipIf(missing)('sends a busy agent the newest frames and counts the others', async () => {
  await using server = await openGstRtsp();
  await using camera = attempt(readWithNodeAv, { url: server.url });
  await camera.reached(3);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500);
  const before = camera.frames.length;
  const freeAt = Date.now();
  await until(() => camera.dropped.busy > 10, { what: 'dropped frames' });
  expect(
    camera.frames.slice(before).filter(({ capturedAt }) => capturedAt < freeAt - 200).length,
  ).toBeLessThan(4);
});

it.skipIf(missing)('uses the camera clock if it is configured', async () => {
  await using server = await openGstRtsp();
  await using camera = attempt(readWithNodeAv, { url: server.url, clock: 'camera' });
  const frames = await camera.reached(30);
  for (const { capturedAt, receivedAt } of frames)
    expect(Math.abs(receivedAt - capturedAt)).toBeLessThan(2_000);
});

it.skipIf(missing)('falls back to software without a GPU, and reports the reason', async () => {
  await using server = await openGstRtsp();
  await using camera = attempt(readWithNodeAv, { url: server.url, hardware: 'jetson' });
  await camera.reached(1);
  expect(camera.faults).toEqual([
    { code: 'camera-hardware', message: 'hardware: jetson needs decoder: ffmpeg; decoding in software' },
  ]);
});

it.skipIf(missing)('receives the images of a data set in the order of playback', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'qc-played-'));
  const colours: Colour[] = [
    [200, 30, 40],
    [40, 170, 60],
  ];
  const files = colours.map((_, index) => join(folder, `${index}.png`));
  for (const [index, [r, g, b]] of colours.entries()) {
    const picture = sharp({ create: { width: 200, height: 200, channels: 3, background: { r, g, b } } });
    await picture.toFile(files[index]!);
  }
  await using server = await openGstRtsp({ source: 'pictures' });
  await using camera = attempt(readWithNodeAv, { url: server.url, freezeMs: 0 });
  await camera.reached(1);
  const shown: number[] = [];
  await server.play(files, { eachMs: 500, onShown: (_file, index) => shown.push(index) });
  await until(() =>
    colours.every((c) => camera.frames.some(({ image }) => difference(colourAt(image, 99, 99), c) < 9)),
  );
  const first = colours.map((c) =>
    camera.frames.findIndex(({ image }) => difference(colourAt(image, 99, 99), c) < 9),
  );
  expect(shown).toEqual([0, 1]);
  expect(first[0]).toBeLessThan(first[1]!);
  await rm(folder, { recursive: true });
});
