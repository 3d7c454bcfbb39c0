import { describe, expect, it } from 'vitest';
import { CameraClock } from '../../../agent/camera/camera-clock.ts';
import { Lateness } from '../../../agent/camera/lateness.ts';

const hour = 3_600_000;

/** Frames of a camera with a delay and with both clocks changed by an offset. */
function watch(clock: CameraClock) {
  let n = 0;
  return (frames: number, { delayMs = 80, cameraSet = 0, machineSet = 0, lagMs = 0 } = {}) => {
    let assumed: number | undefined;
    for (const end = n + frames; n < end; n++) {
      const captured = n * 40;
      const seen = clock.observe(1e12 + captured + cameraSet, captured + delayMs, lagMs, 1e12 + machineSet);
      assumed ??= seen;
    }
    return assumed;
  };
}

describe('the clock of the camera', () => {
  it('shows a delay that existed from the start', () => {
    const clock = new CameraClock(undefined);
    watch(clock)(100, { delayMs: 3_000 });
    expect(clock.delayMs).toBeCloseTo(3_000, 0);
    expect(clock.fault).toBe('');
  });

  it('is not used while it is far off', () => {
    const clock = new CameraClock(undefined);
    watch(clock)(10, { cameraSet: -hour });
    expect(clock).toMatchObject({ delayMs: 0, fault: 'the camera clock is 3600.1 s behind' });
  });

  it.each([
    ['both', { cameraSet: -hour, machineSet: -hour }, /^$/],
    ['the camera', { cameraSet: -hour }, /camera clock was set by -3600/],
    ['the camera, by a little', { cameraSet: 3_000 }, /camera clock was set by /],
    ['the machine', { machineSet: -hour }, /machine's clock was set by -3600/],
  ])('makes no frame younger when a clock is changed: %s', (_, set, fault) => {
    const clock = new CameraClock(undefined);
    const frames = watch(clock);
    frames(100, { delayMs: 4_000 });
    // Frames in transit when the clocks were changed.
    if ('machineSet' in set) frames(50, { delayMs: 4_000, machineSet: set.machineSet });
    expect(clock.delayMs).toBeGreaterThan(3_900);
    frames(100, { delayMs: 4_000, ...set });
    expect(clock.delayMs).toBeGreaterThan(3_900);
    expect(clock.fault).toMatch(fault);
  });

  it('shows that a stream is late after it was opened again', () => {
    const before = new CameraClock(undefined);
    watch(before)(200);
    const reference = before.reference(0);
    expect(before.reference(4_000)).toBeUndefined();
    expect(watch(new CameraClock(reference))(100, { delayMs: 4_080 })).toBeCloseTo(4_000, -1);
    expect(watch(new CameraClock(reference))(100)).toBeUndefined();
  });

  it('does not call a stream late after an interruption in which the clocks drifted, or after a correction of the camera clock', () => {
    const before = new CameraClock(undefined);
    watch(before)(200);
    const known = before.reference(0)!;
    const weekend = { ...known, at: known.at - 60 * hour };
    expect(watch(new CameraClock(weekend))(100, { cameraSet: -4_300 })).toBeUndefined();
    const minute = { ...known, at: known.at - hour / 60 };
    expect(watch(new CameraClock(minute))(100, { cameraSet: -4_300 })).toBeCloseTo(4_300, -1);
    const ahead = new CameraClock(undefined);
    watch(ahead)(200, { cameraSet: 5_000 });
    expect(watch(new CameraClock(ahead.reference(0)))(100)).toBeUndefined();
  });
});

it('a camera is late when all frames of a second are too old, and a part never passes on an old frame', () => {
  const said: string[] = [];
  const lateness = new Lateness(1_000, (condition, text) => void said.push(text && condition));
  expect(lateness.lagMs).toBeUndefined();
  expect(lateness.observe(9_900, 10_000)).toBeUndefined();
  expect(lateness.observe(9_000, 10_001)).toMatch(/1.0 s old when it arrived, more than maxAgeMs \(1000\)/);
  expect(lateness.observe(10_000, 10_100)).toBeUndefined();
  for (let now = 10_200; now < 13_000; now += 40) expect(lateness.observe(now - 3_000, now)).toBeDefined();
  expect(said).toEqual(['late']);
  expect(lateness.lagMs).toBe(3_000);
  expect(lateness.observe(12_950, 13_000)).toBeUndefined();
  expect(said).toEqual(['late', '']);
});
