import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../calibration/random.ts';
import { type Example, fitHead } from '../../../calibration/train/fit.ts';
import { foldsOf } from '../../../calibration/train/folds.ts';
import { openTensors } from '../../../calibration/train/tensors.ts';
import { viewOf } from '../../../calibration/train/views.ts';
import { probabilitiesOf } from '../../../models/head.ts';

/** Features like those after a ReLU; the label raises some of them, as far as `signal` says. */
function examples(seed: number, perLabel: number, size: number, signal: number): Example[] {
  const random = seededRandom(seed);
  return ['crack', 'dent', 'good'].flatMap((label, k) =>
    Array.from({ length: perLabel }, (_, i) => ({
      label,
      group: k * perLabel + i,
      views: [
        Float32Array.from({ length: size }, (_, d) =>
          Math.max(0, random.between(-0.3, 1) + (d % 3 === k ? signal : 0)),
        ),
      ],
    })),
  );
}

const said = (head: { labels: readonly string[] }, row: readonly number[]) =>
  head.labels[row.indexOf(Math.max(...row))];

describe('training a head', () => {
  it.each([
    ['fewer pictures than features', 20, 256, 0.3],
    ['more pictures than features', 60, 24, 0.6],
  ])('learns what is there: %s', async (_, perLabel, size, signal) => {
    const head = await fitHead(examples(1, perLabel, size, signal), { seed: 1 });
    const fresh = examples(2, 50, size, signal);
    const right = fresh.filter((one) => said(head, probabilitiesOf(head, one.views[0]!)) === one.label);
    expect(right.length / fresh.length).toBeGreaterThan(0.9);
    // What it says of its own examples is what the head on disk will say.
    const own = examples(1, perLabel, size, signal);
    own.forEach((one, i) => {
      probabilitiesOf(head, one.views[0]!).forEach((p, k) => {
        expect(Math.abs(p - head.seen[i]![k]!)).toBeLessThan(0.01);
      });
    });
  });

  it('finds nothing where nothing is, and its probabilities admit it', async () => {
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

  it('says why it does not train on a GPU', async () => {
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

describe('views of a picture', () => {
  const image = { width: 3, height: 2, data: Uint8Array.from({ length: 18 }, (_, i) => i) };
  const reds = ({ data }: { data: Uint8Array }) => [...data].filter((_, i) => i % 3 === 0).map((v) => v / 3);

  it('are the eight symmetries of the square, each different', () => {
    expect(reds(viewOf(image, 0))).toEqual([0, 1, 2, 3, 4, 5]);
    expect(reds(viewOf(image, 1))).toEqual([2, 1, 0, 5, 4, 3]);
    expect(reds(viewOf(image, 2))).toEqual([3, 4, 5, 0, 1, 2]);
    expect(reds(viewOf(image, 3))).toEqual([5, 4, 3, 2, 1, 0]);
    expect(viewOf(image, 4)).toMatchObject({ width: 2, height: 3 });
    expect(reds(viewOf(image, 4))).toEqual([0, 3, 1, 4, 2, 5]);
    const all = Array.from({ length: 8 }, (_, view) => {
      const { width, data } = viewOf(image, view);
      return `${width}:${data}`;
    });
    expect(new Set(all).size).toBe(8);
  });
});
