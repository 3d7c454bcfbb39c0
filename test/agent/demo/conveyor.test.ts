import { describe, expect, test } from 'vitest';
import { openConveyor } from '../../../agent/demo/conveyor.ts';
import { regionOf } from '../../../agent/demo/layout.ts';
import type { Image } from '../../../models/image.ts';

const startedAt = Date.UTC(2026, 0, 1);
const conveyor = (seed = 1, partsPerMinute = 60) => openConveyor({ seed, partsPerMinute, startedAt });
const draw = (line: ReturnType<typeof conveyor>, at: number, width = 640, height = 480): Image => {
  const image = line.draw(at, width, height);
  return { ...image, data: Uint8Array.from(image.data) };
};

/** First and last column that are brighter than the dark belt, between left and right edge, pixels. */
function bright(image: Image, left = 0, right = image.width): { from: number; to: number } | undefined {
  let from = Number.POSITIVE_INFINITY;
  let to = -1;
  // Only between the rails, which are as bright as parts.
  for (let y = Math.round(image.height * 0.2); y < image.height * 0.8; y++) {
    for (let x = left; x < right; x++) {
      const at = (y * image.width + x) * 3;
      const brightest = Math.max(image.data[at]!, image.data[at + 1]!, image.data[at + 2]!);
      if (brightest > 95) {
        from = Math.min(from, x);
        to = Math.max(to, x);
      }
    }
  }
  return to < 0 ? undefined : { from, to };
}

describe.each([
  [640, 480],
  [960, 540],
])('at %i by %i', (width, height) => {
  const region = regionOf(width, height);
  const left = Math.round(region.x * width);
  const right = Math.round((region.x + region.width) * width);

  test('a part is in the middle of the region at the time that the truth states', () => {
    const line = conveyor(3);
    for (let serial = 1; serial <= 16; serial++) {
      const { label, centredAt } = line.truthOf(serial);
      // The missing piece of a chipped part shifts its middle.
      if (label === 'chip') continue;
      const seen = bright(draw(line, centredAt, width, height), left, right);
      expect(seen, `part ${serial}`).toBeDefined();
      expect(Math.abs((seen!.from + seen!.to) / 2 - width / 2) / width).toBeLessThan(0.02);
      expect(seen!.from).toBeGreaterThan(left);
      expect(seen!.to).toBeLessThan(right - 1);
    }
  });

  test('the region is empty before a part enters and after it has left', () => {
    const line = conveyor(3);
    for (let serial = 1; serial <= 16; serial++) {
      const { enteredAt, leftAt } = line.truthOf(serial);
      expect(bright(draw(line, enteredAt, width, height), left, right)).toBeUndefined();
      expect(bright(draw(line, leftAt, width, height), left, right)).toBeUndefined();
      expect(line.truthOf(serial + 1).enteredAt - leftAt).toBeGreaterThan(170);
    }
  });
});

test('a part stays completely inside the region for several images at 12 a second', () => {
  const line = conveyor(5);
  const region = regionOf(640, 480);
  const { enteredAt, leftAt } = line.truthOf(2);
  let inside = 0;
  for (let at = enteredAt; at < leftAt; at += 1_000 / 12) {
    const seen = bright(draw(line, at));
    if (seen && seen.from > region.x * 640 && seen.to < (region.x + region.width) * 640) inside++;
  }
  expect(inside).toBeGreaterThanOrEqual(4);
});

test('the same seed draws the same line, another seed another one', () => {
  const at = startedAt + 2_345;
  expect(draw(conveyor(7), at).data).toEqual(draw(conveyor(7), at).data);
  expect(draw(conveyor(7), at).data).not.toEqual(draw(conveyor(8), at).data);
  const labelsOf = (seed: number) =>
    Array.from({ length: 40 }, (_, n) => conveyor(seed).truthOf(n + 1).label);
  expect(labelsOf(7)).toEqual(labelsOf(7));
  expect(labelsOf(7)).not.toEqual(labelsOf(8));
});

test('no two images in a row are identical, not even of the empty belt', () => {
  const line = conveyor();
  for (let at = startedAt; at < startedAt + 1_000; at += 83) {
    expect(draw(line, at).data).not.toEqual(draw(line, at + 83).data);
  }
});

test('about three parts in five are good, and every defect occurs', () => {
  const line = conveyor(2);
  const counts = new Map<string, number>();
  for (let serial = 1; serial <= 130; serial++) {
    const { label } = line.truthOf(serial);
    counts.set(label, (counts.get(label) ?? 0) + 1);
  }
  expect(Object.fromEntries(counts)).toEqual({
    good: 80,
    scratch: 10,
    dent: 10,
    stain: 10,
    crack: 10,
    chip: 10,
  });
});

test('parts arrive at the configured interval', () => {
  const line = conveyor(1, 30);
  expect(line.truthOf(2).centredAt - line.truthOf(1).centredAt).toBeCloseTo(2_000);
  expect(line.truthOf(1).centredAt).toBeCloseTo(startedAt + 2_000);
});
