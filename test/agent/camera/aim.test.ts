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
import { gstMissing } from '../../rigs/gst-rtsp.ts';
import { until } from '../../rigs/until.ts';
import { aimContract } from './aim-contract.ts';
import { attempt } from './attempt.ts';

const noFfmpeg = spawnSync('ffmpeg', ['-version']).status === 0 ? undefined : 'ffmpeg is not installed here';
aimContract('node-av', readWithNodeAv, gstMissing());
aimContract('ffmpeg', readWithFfmpeg, noFfmpeg ?? gstMissing());

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
