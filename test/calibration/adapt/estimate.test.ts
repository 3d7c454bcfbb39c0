import { describe, expect, it } from 'vitest';
import { estimateChange } from '../../../calibration/adapt/estimate.ts';
import { changeImage, type ImagingChange, imagingOf } from '../../../calibration/dataset/imaging.ts';
import { seededRandom } from '../../../calibration/train/random.ts';
import type { Image } from '../../../models/image.ts';

/** A textured part: coarse and fine structure, and a brightness of its own. */
function textured(seed: number): Image {
  const random = seededRandom(seed);
  const side = 120;
  const level = 110 + random.integer(12);
  const coarse = Array.from({ length: 36 }, () => random.integer(50));
  const data = new Uint8Array(side * side * 3);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const value = level + coarse[6 * Math.floor(y / 20) + Math.floor(x / 20)]! + random.integer(24) - 12;
      data.set([value, value - 10, value - 20], (y * side + x) * 3);
    }
  }
  return { width: side, height: side, data };
}

const same: ImagingChange = { gain: [1, 1, 1], offset: [0, 0, 0], blur: 0 };
const images = (from: number, count: number) => Array.from({ length: count }, (_, i) => textured(from + i));
const knownOf = (image: Image) => ({ read: async () => image, imaging: imagingOf(image), weight: 1 });
const known = images(1, 40).map(knownOf);

async function estimated(change: ImagingChange) {
  const recent: Image[] = [];
  for (const image of images(1_000, 40)) recent.push(await changeImage(image, change));
  return await estimateChange(known, recent.map(imagingOf));
}

describe('the change of light and focus between two sets of parts', () => {
  it('is none for other parts under the same conditions', async () => {
    const { change, light, focus } = await estimated(same);
    expect(change).toEqual(same);
    expect([light.isChanged, focus.isChanged]).toEqual([false, false]);
    expect([light.sentence, focus.sentence]).toEqual([
      'light: as on the labelled parts',
      'focus: as on the labelled parts',
    ]);
  });

  it('is found for less light', async () => {
    const { change, light, focus } = await estimated({ ...same, gain: [0.6, 0.6, 0.6] });
    expect([light.isChanged, focus.isChanged]).toEqual([true, false]);
    for (const gain of change.gain) expect(gain).toBeCloseTo(0.6, 1);
    for (const offset of change.offset) expect(Math.abs(offset)).toBeLessThan(6);
    expect(light.sentence).toMatch(
      /^light: brightness −\d+ %, contrast −\d+ %, compared with the labelled parts$/,
    );
  });

  it('is found for another colour of the light', async () => {
    const { change, light } = await estimated({ ...same, gain: [1.2, 1, 0.7] });
    expect(light.sentence).toMatch(/^light: red \+\d+ %, green .\d %, blue −\d+ %/);
    expect(change.gain[0]).toBeGreaterThan(1.1);
    expect(change.gain[2]).toBeLessThan(0.8);
  });

  it.each([0.005, 0.01])('is found for a blur of %s of the side', async (blur) => {
    const { change, focus } = await estimated({ ...same, blur });
    expect(focus.isChanged).toBe(true);
    expect(change.blur).toBeGreaterThan(0.6 * blur);
    expect(change.blur).toBeLessThan(1.5 * blur);
    expect(focus.sentence).toMatch(/^focus: \d+ % of the detail of the labelled parts remains$/);
  });

  it('separates light from focus', async () => {
    const { change } = await estimated({ gain: [0.7, 0.7, 0.7], offset: [20, 20, 20], blur: 0.01 });
    expect(change.blur).toBeGreaterThan(0.006);
    expect(change.blur).toBeLessThan(0.015);
  });

  it('does not count the mix of parts as light, if the weights follow it', async () => {
    // Half of the labelled parts are brighter; all of the recent ones are.
    const bright = images(2_000, 40).map((image) => {
      const lit = { ...image, data: image.data.map((value) => Math.min(255, value + 40)) };
      return knownOf(lit);
    });
    const both = [...known.map((one) => ({ ...one, weight: 0.01 })), ...bright];
    const recent = images(3_000, 40).map(({ data, ...size }) =>
      imagingOf({ ...size, data: data.map((value) => Math.min(255, value + 40)) }),
    );
    expect((await estimateChange(both, recent)).light.isChanged).toBe(false);
    const even = both.map((one) => ({ ...one, weight: 1 }));
    expect((await estimateChange(even, recent)).light.isChanged).toBe(true);
  });
});
