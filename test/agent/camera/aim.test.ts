import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { Aim, type AimImage } from '../../../agent/camera/aim.ts';
import { readWithFfmpeg } from '../../../agent/camera/ffmpeg/source.ts';
import { readFiles } from '../../../agent/camera/file/source.ts';
import { readWithNodeAv } from '../../../agent/camera/node-av/source.ts';
import { drawn } from '../../rigs/drawn.ts';
import { gstMissing, openGstRtsp } from '../../rigs/gst-rtsp.ts';
import { openOddCamera } from '../../rigs/odd-camera.ts';
import { until } from '../../rigs/until.ts';
import { aimContract } from './aim-contract.ts';
import { attempt } from './attempt.ts';

const noFfmpeg = spawnSync('ffmpeg', ['-version']).status === 0 ? undefined : 'ffmpeg is not installed here';
aimContract('node-av', readWithNodeAv, { missing: gstMissing(), leastFps: 10 });
// Two more processes decode and scale.
aimContract('ffmpeg', readWithFfmpeg, { missing: noFfmpeg ?? gstMissing(), leastFps: 5 });

it('node-av needs no second session at the camera', async () => {
  await using server = await openOddCamera({ maxSessions: 1 });
  const aim = new Aim();
  await using camera = attempt(readWithNodeAv, { url: server.url }, undefined, { aim });
  await camera.reached(2);
  let images = 0;
  using _watching = aim.watch(() => void images++);
  await until(() => images > 2, { what: 'images' });
  expect(server.sessions).toBe(1);
});

it.skipIf(noFfmpeg)(
  'ffmpeg says that the camera has no second session, and the inspection continues',
  async () => {
    await using server = await openOddCamera({ maxSessions: 1 });
    const aim = new Aim();
    await using camera = attempt(readWithFfmpeg, { url: server.url }, undefined, { aim });
    await camera.reached(2);
    let images = 0;
    const watching = aim.watch(() => void images++);
    await until(() => /too many viewers/.test(aim.problem), { what: 'the reason for no image' });
    const frames = camera.frames.length;
    await camera.reached(frames + 10);
    expect([images, server.sessions]).toEqual([0, 1]);
    watching[Symbol.dispose]();
    expect(aim.problem).toBe('');
  },
);

it.skipIf(gstMissing())('follows a change of the image size', async () => {
  await using server = await openGstRtsp({ source: 'pictures' });
  await server.show(drawn(640, 480, [90, 90, 90]));
  const aim = new Aim();
  await using _camera = attempt(readWithNodeAv, { url: server.url, freezeMs: 0 }, undefined, { aim });
  let newest: AimImage | undefined;
  using _watching = aim.watch((image) => {
    newest = image;
  });
  await until(() => newest?.frame.width === 640, { what: 'an image' });
  await server.show(drawn(320, 180, [90, 90, 90]));
  await until(() => newest?.frame.width === 320, { what: 'an image of the other size' });
  expect(newest).toMatchObject({ size: { width: 320, height: 180 }, frame: { width: 320, height: 180 } });
  expect(await sharp(newest!.jpeg).metadata()).toMatchObject({ width: 320, height: 180 });
});

it('shows image files as they are played', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'qc-aim-'));
  const picture = sharp({ create: { width: 1920, height: 1080, channels: 3, background: '#336' } });
  await picture.png().toFile(join(folder, '1.png'));
  const aim = new Aim();
  const images: AimImage[] = [];
  await using camera = attempt(readFiles, { url: `file:${folder}`, maxFps: 20 }, undefined, { aim });
  await camera.reached(2);
  const watching = aim.watch((image) => void images.push(image));
  await until(() => images.length > 2, { what: 'images' });
  expect(images[0]).toMatchObject({
    size: { width: 960, height: 540 },
    frame: { width: 1920, height: 1080 },
    figures: { focus: 0, bright: 0 },
  });
  watching[Symbol.dispose]();
  await camera.stop();
  await rm(folder, { recursive: true });
});
