import { describe, expect, it } from 'vitest';
import { type Example, fitHead } from '../../../calibration/train/fit.ts';
import { foldsOf } from '../../../calibration/train/folds.ts';
import { seededRandom } from '../../../calibration/train/random.ts';
import { openTensors } from '../../../calibration/train/tensors.ts';
import { viewOf, viewsOf } from '../../../calibration/train/views.ts';
import { decodeHead, encodeHead, type HeadWeights, probabilitiesOf } from '../../../models/head.ts';
import { drawn } from '../../rigs/drawn.ts';

/** Features like those after a ReLU; the label raises some of them by `signal`. */
function examples(seed: number, perLabel: number, size: number, signal: number): Example[] {
  const random = seededRandom(seed);
  return ['crack', 'dent', 'good'].flatMap((label, k) =>
    Array.from({ length: perLabel }, (_, i) => ({
      label,
      group: k * perLabel + i,
      views: new Map([
        [
          0,
          Float32Array.from({ length: size }, (_, d) =>
            Math.max(0, random.between(-0.3, 1) + (d % 3 === k ? signal : 0)),
          ),
        ],
      ]),
    })),
  );
}

const said = (head: { labels: readonly string[] }, row: readonly number[]) =>
  head.labels[row.indexOf(Math.max(...row))];

describe('training a head', () => {
  it.each([
    ['fewer images than features', 20, 256, 0.3],
    ['more images than features', 60, 24, 0.6],
  ])('learns existing differences: %s', async (_, perLabel, size, signal) => {
    const head = await fitHead(examples(1, perLabel, size, signal), { seed: 1 });
    const fresh = examples(2, 50, size, signal);
    const right = fresh.filter((one) => said(head, probabilitiesOf(head, one.views.get(0)!)) === one.label);
    expect(right.length / fresh.length).toBeGreaterThan(0.9);
    // Its results for its own examples equal those of the stored head.
    const own = examples(1, perLabel, size, signal);
    own.forEach((one, i) => {
      probabilitiesOf(head, one.views.get(0)!).forEach((p, k) => {
        expect(Math.abs(p - head.seen[i]![k]!)).toBeLessThan(0.01);
      });
    });
  });

  it('learns nothing from random labels, and its probabilities show it', async () => {
    const noise = examples(3, 30, 200, 0);
    const head = await fitHead(noise, { seed: 1 });
    const right = noise.filter((one, i) => said(head, head.heldOut[i]!) === one.label);
    expect(right.length / noise.length).toBeLessThan(0.6);
    const surest = head.heldOut.map((row) => Math.max(...row));
    expect(surest.reduce((a, b) => a + b) / surest.length).toBeLessThan(0.6);
  });

  it('is the same for the same seed, to the last bit', async () => {
    const [a, b] = [
      await fitHead(examples(4, 10, 64, 0.3), { seed: 7 }),
      await fitHead(examples(4, 10, 64, 0.3), { seed: 7 }),
    ];
    expect(b.weights).toEqual(a.weights);
    expect(b.bias).toEqual(a.bias);
    expect(b.heldOut).toEqual(a.heldOut);
  });

  it('can be stopped in the middle', async () => {
    const stop = new AbortController();
    const fitting = fitHead(examples(5, 20, 64, 0.3), {
      seed: 1,
      signal: stop.signal,
      onProgress: (done) => done > 3 && stop.abort(new Error('enough')),
    });
    await expect(fitting).rejects.toThrow('enough');
  });

  it('refuses a single label', async () => {
    const one = examples(6, 5, 8, 0).filter(({ label }) => label === 'good');
    await expect(fitHead(one, { seed: 1 })).rejects.toThrow(RangeError);
  });

  it('reports why it does not train on a GPU', async () => {
    const { backend, why } = await openTensors();
    if (backend === 'wasm') expect(why).toEqual([expect.stringContaining('tensorflow-gpu: ')]);
    else expect(why).toEqual([]);
  });
});

describe('the folds of a cross-validation', () => {
  it('keep groups together and spread the labels', () => {
    const random = seededRandom(1);
    const pictures = Array.from({ length: 200 }, (_, i) => {
      const group = Math.floor(i / 4);
      return { group, label: group % 5 === 0 ? 'crack' : 'good', order: random.next() };
    }).sort((a, b) => a.order - b.order);
    const folds = foldsOf(pictures, 5, 1);
    const byGroup = new Map<number, Set<number>>();
    for (const [i, { group }] of pictures.entries()) {
      byGroup.set(group, (byGroup.get(group) ?? new Set()).add(folds[i]!));
    }
    expect([...byGroup.values()].every((set) => set.size === 1)).toBe(true);
    for (let fold = 0; fold < 5; fold++) {
      const held = pictures.filter((_, i) => folds[i] === fold);
      expect(held.length).toBe(40);
      expect(held.filter(({ label }) => label === 'crack').length).toBe(8);
    }
  });
});

describe('a hidden layer', () => {
  /** Two of four quadrants each: no straight line separates them. */
  function quadrants(seed: number, count: number): Example[] {
    const random = seededRandom(seed);
    return Array.from({ length: count }, (_, group) => {
      const [a, b] = [random.next() < 0.5, random.next() < 0.5];
      // Each half with its opposite, so that their sum has no information.
      const values = Float32Array.from({ length: 16 }, (_, d) => {
        const high = [a, !a, b, !b][d >> 2];
        return (high ? 1 : 0.15) + random.between(0, 0.1);
      });
      return { label: a === b ? 'good' : 'dent', group, views: new Map([[0, values]]) };
    });
  }
  const rightOf = (head: HeadWeights, fresh: readonly Example[]) =>
    fresh.filter((one) => said(head, probabilitiesOf(head, one.views.get(0)!)) === one.label).length /
    fresh.length;

  it('learns what a linear head cannot, and is the same for the same seed', async () => {
    const shown = quadrants(1, 80);
    const fresh = quadrants(2, 200);
    const linear = await fitHead(shown, { seed: 1 });
    const deep = await fitHead(shown, { seed: 1, hidden: 16 });
    expect(rightOf(linear, fresh)).toBeLessThan(0.8);
    expect(rightOf(deep, fresh)).toBeGreaterThan(0.95);
    expect(await fitHead(shown, { seed: 1, hidden: 16 })).toEqual(deep);
    // Its results for its own examples equal those of the stored weights.
    shown.forEach((one, i) => {
      probabilitiesOf(deep, one.views.get(0)!).forEach((p, k) => {
        expect(Math.abs(p - deep.seen[i]![k]!)).toBeLessThan(0.01);
      });
    });
    const again = decodeHead(encodeHead(deep), deep.labels)!;
    expect(again.hidden!.weights.length).toBe(16 * 16);
    expect(rightOf({ ...again, temperature: 1 }, fresh)).toBe(rightOf(deep, fresh));
  });
});

describe('views of an image', () => {
  const image = { width: 3, height: 2, data: Uint8Array.from({ length: 18 }, (_, i) => i) };
  const reds = ({ data }: { data: Uint8Array }) => [...data].filter((_, i) => i % 3 === 0).map((v) => v / 3);

  it('are the eight symmetries of the square, each different', async () => {
    expect(reds(await viewOf(image, 0))).toEqual([0, 1, 2, 3, 4, 5]);
    expect(reds(await viewOf(image, 1))).toEqual([2, 1, 0, 5, 4, 3]);
    expect(reds(await viewOf(image, 2))).toEqual([3, 4, 5, 0, 1, 2]);
    expect(reds(await viewOf(image, 3))).toEqual([5, 4, 3, 2, 1, 0]);
    expect(await viewOf(image, 4)).toMatchObject({ width: 2, height: 3 });
    expect(reds(await viewOf(image, 4))).toEqual([0, 3, 1, 4, 2, 5]);
    const all = await Promise.all(
      Array.from({ length: 8 }, async (_, view) => {
        const { width, data } = await viewOf(image, view);
        return `${width}:${data}`;
      }),
    );
    expect(new Set(all).size).toBe(8);
  });

  /** A dark square on grey, not in the middle. */
  const square = drawn(40, 30, [100, 100, 100], { x: 10, y: 8, width: 8, height: 8, colour: [20, 20, 20] });
  const mean = ({ data }: { data: Uint8Array }) => data.reduce((sum, value) => sum + value, 0) / data.length;

  it('change light, sharpness, crop and angle a little, but not the size', async () => {
    expect(viewsOf('none', ['light', 'blur', 'crop', 'rotate'])).toEqual([0, 8, 9, 10, 11, 12, 13, 14]);
    const views = await Promise.all(
      viewsOf('none', ['light', 'blur', 'crop', 'rotate']).map((view) => viewOf(square, view)),
    );
    for (const { width, height, data } of views)
      expect([width, height, data.length]).toEqual([40, 30, 3_600]);
    expect(new Set(views.map(({ data }) => String(data))).size).toBe(8);
    const [plain, darker, lighter, blurry, near, far, left, right] = views.map(mean) as [number, ...number[]];
    expect(darker).toBeLessThan(plain - 5);
    expect(lighter).toBeGreaterThan(plain + 5);
    for (const same of [blurry, near, far, left, right]) expect(Math.abs(same! - plain)).toBeLessThan(2);
    // Beyond the edge the nearest pixel is used: no black corners.
    for (const turned of views.slice(6)) expect(Math.min(...turned.data.subarray(0, 3))).toBe(100);
  });
});
