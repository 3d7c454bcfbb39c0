import { expect, it } from 'vitest';
import { StreamClock } from '../../../agent/camera/clock.ts';
import { FreezeWatch } from '../../../agent/camera/freeze.ts';
import { Thinner, wantedFps } from '../../../agent/camera/rate.ts';
import { cameraSchema } from '../../../config/schema.ts';

const jitter = (n: number) => ((n * 7919) % 13) * 2; // 0 … 24 ms, the same every time

it('takes the jitter of the network out of capture times, and the known latency', () => {
  const clock = new StreamClock(5);
  const times = Array.from({ length: 100 }, (_, n) => clock.capturedAt(n * 40, 1_000 + n * 40 + jitter(n)));
  for (let n = 20; n < 100; n++) expect(times[n]! - times[n - 1]!).toBe(40);
  expect(times[99]).toBe(1_000 + 99 * 40 - 5);
});

it('keeps capture times when frames come seconds late, and learns a stream time that jumps', () => {
  const clock = new StreamClock(0);
  for (let n = 0; n < 10; n++) clock.capturedAt(n * 40, n * 40);
  expect(clock.capturedAt(400, 5_400)).toBe(400);
  expect(clock.capturedAt(-90_000_000, 5_500)).toBe(5_500);
  expect(clock.capturedAt(-90_000_000 + 40, 5_560)).toBe(5_540);
});

it('follows a camera whose crystal is slow', () => {
  const clock = new StreamClock(0);
  let error = 0;
  for (let n = 0; n < 10_000; n++) {
    const arrival = n * 40 * 1.0002;
    error = arrival - clock.capturedAt(n * 40, arrival);
  }
  expect(error).toBeLessThan(10);
});

it.each([
  [25, 25, 250],
  [25, 30, 250],
  [25, 15, 150],
  [25, 8, 80],
  [30, 5, 50],
])('thins %i fps with jitter out to %i', (stream, wanted, expected) => {
  const thinner = new Thinner(wanted);
  let taken = 0;
  for (let n = 0; n < stream * 10; n++) {
    const jitterMs = (((n * 7919) % 13) - 6) * 0.5;
    if (thinner.take((n * 1000) / stream + jitterMs)) taken++;
  }
  expect(Math.abs(taken - expected)).toBeLessThanOrEqual(1);
});

it('goes on after a stream time that jumped back', () => {
  const thinner = new Thinner(5);
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

it('notices a picture that stands still, whatever lies in the padding of its rows', () => {
  const watch = new FreezeWatch(1_000);
  const plane = { data: new Uint8Array(64 * 32), stride: 64, width: 50, height: 32 };
  expect(watch.frozen(plane, 0)).toBe(false);
  plane.data[60] = 9;
  expect(watch.frozen(plane, 999)).toBe(false);
  expect(watch.frozen(plane, 1_000)).toBe(true);
  plane.data[64 * 4 + 5] = 1;
  expect(watch.frozen(plane, 1_040)).toBe(false);
});
