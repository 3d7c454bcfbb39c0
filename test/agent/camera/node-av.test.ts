import { expect, it } from 'vitest';
import { readWithNodeAv } from '../../../agent/camera/node-av/source.ts';
import { gstMissing, openGstRtsp } from '../../rigs/gst-rtsp.ts';
import { until } from '../../rigs/until.ts';
import { attempt } from './attempt.ts';
import { rtspContract } from './contract.ts';

const missing = gstMissing();
rtspContract('node-av', readWithNodeAv, missing);

it.skipIf(missing)('adds previews while somebody watches', async () => {
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

it.skipIf(missing)('uses the camera clock where it is asked to', async () => {
  await using server = await openGstRtsp();
  await using camera = attempt(readWithNodeAv, { url: server.url, clock: 'camera' });
  const frames = await camera.reached(30);
  for (const { capturedAt, receivedAt } of frames)
    expect(Math.abs(receivedAt - capturedAt)).toBeLessThan(2_000);
});

it.skipIf(missing)('falls back to software where there is no GPU, and says why', async () => {
  await using server = await openGstRtsp();
  await using camera = attempt(readWithNodeAv, { url: server.url, hardware: 'jetson' });
  await camera.reached(1);
  expect(camera.faults).toEqual([
    { code: 'camera-hardware', message: 'hardware: jetson needs decoder: ffmpeg; decoding in software' },
  ]);
});
