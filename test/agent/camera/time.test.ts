import { expect, it } from 'vitest';
import { FreezeWatch } from '../../../agent/camera/freeze.ts';
import { RateLimiter, wantedFps } from '../../../agent/camera/rate.ts';
import { cameraSchema } from '../../../config/camera-schema.ts';

it.each([
  [25, 25, 250],
  [25, 30, 250],
  [25, 15, 150],
  [25, 8, 80],
  [30, 5, 50],
])('reduces %i fps with jitter to %i', (stream, wanted, expected) => {
  const thinner = new RateLimiter(wanted);
  let taken = 0;
  for (let n = 0; n < stream * 10; n++) {
    const jitterMs = (((n * 7919) % 13) - 6) * 0.5;
    if (thinner.take((n * 1000) / stream + jitterMs)) taken++;
  }
  expect(Math.abs(taken - expected)).toBeLessThanOrEqual(1);
});

it('continues after a stream time that jumped back', () => {
  const thinner = new RateLimiter(5);
  expect(thinner.take(1_000_000)).toBe(true);
  expect(thinner.take(10)).toBe(true);
  expect(thinner.take(50)).toBe(false);
});

it.each([
  [{ trigger: { kind: 'continuous', everyMs: 200 }, vote: { frames: 3 } }, 15],
  [{ trigger: { kind: 'continuous', everyMs: 10 } }, 30],
  [{ trigger: { kind: 'continuous', everyMs: 3_600_000 } }, 1],
  [{ trigger: { kind: 'presence' } }, 15],
  [{ trigger: { kind: 'command' }, maxFps: 2.5 }, 2.5],
])('%j wants %d frames a second', (settings, fps) => {
  expect(wantedFps(cameraSchema.parse({ url: 'rtsp://camera/x', ...settings }))).toBe(fps);
});

it('detects a still image with any values in the padding of its rows', () => {
  const watch = new FreezeWatch(1_000);
  const plane = { data: new Uint8Array(64 * 32), stride: 64, width: 50, height: 32 };
  expect(watch.frozen(plane, 0)).toBe(false);
  plane.data[60] = 9;
  expect(watch.frozen(plane, 999)).toBe(false);
  expect(watch.frozen(plane, 1_000)).toBe(true);
  plane.data[64 * 4 + 5] = 1;
  expect(watch.frozen(plane, 1_040)).toBe(false);
});
