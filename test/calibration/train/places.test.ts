import { describe, expect, it } from 'vitest';
import { findAnomalies } from '../../../calibration/train/anomalies.ts';
import type { CellSource } from '../../../calibration/train/cell-cache.ts';
import { localizedFeatures } from '../../../calibration/train/evidence.ts';
import { fitHead } from '../../../calibration/train/fit.ts';
import { fitPlaces, type PlacedExample, type PlacesFit } from '../../../calibration/train/fit-places.ts';
import { minPeak } from '../../../calibration/train/min-peak.ts';
import { seededRandom } from '../../../calibration/train/random.ts';
import { cellsOfMaps } from '../../../models/cells.ts';
import { probabilitiesOf, whereOf } from '../../../models/head.ts';
import type { FeatureMap } from '../../../models/run/runner.ts';
import { boxesIn } from '../../../models/where.ts';

const side = 12;
const channels = 24;
const sizes = {
  stage2: { channels, height: 2 * side, width: 2 * side },
  stage3: { channels, height: side, width: side },
};
type Label = 'good' | 'scratch' | 'pit';

interface Part {
  readonly label: Label;
  readonly maps: { readonly stage2: FeatureMap; readonly stage3: FeatureMap };
  /** Average and maximum of all channels. */
  readonly features: Float32Array;
  readonly place: { readonly x: number; readonly y: number };
}

/**
 * A texture whose channels are high at random places. A defect is one cell where a fixed set of channels is high: neither
 * averages nor maxima of the whole texture show it.
 */
function part(label: Label, seed: number, at?: { readonly row: number; readonly column: number }): Part {
  const random = seededRandom(seed);
  const texture = (cells: number, share: number) =>
    Float32Array.from({ length: channels * cells }, () => (random.next() < share ? 1 + random.next() : 0.1));
  const [two, three] = [texture(4 * side * side, 0.01), texture(side * side, 0.04)];
  const { row, column } = at ?? { row: random.integer(side), column: random.integer(side) };
  const together = { good: [], scratch: [1, 4, 6, 9, 12, 17], pit: [0, 2, 7, 11, 14, 20] }[label];
  for (const c of together) {
    two[(c * 2 * side + 2 * row) * 2 * side + 2 * column] = 1.6;
    three[(c * side + row) * side + column] = 1.6;
  }
  const pooled = [two, three].flatMap((data) => {
    const cells = data.length / channels;
    const each = Array.from({ length: channels }, (_, c) => data.subarray(c * cells, (c + 1) * cells));
    return [
      ...each.map((one) => one.reduce((a, b) => a + b) / cells),
      ...each.map((one) => Math.max(...one)),
    ];
  });
  return {
    label,
    maps: { stage2: { ...sizes.stage2, data: two }, stage3: { ...sizes.stage3, data: three } },
    features: Float32Array.from(pooled),
    place: { x: (column + 0.5) / side, y: (row + 0.5) / side },
  };
}

function parts(perLabel: number, from = 1, at?: Parameters<typeof part>[2]): Part[] {
  return (['good', 'scratch', 'pit'] as const).flatMap((label, k) =>
    Array.from({ length: perLabel }, (_, i) => part(label, 1_000 * k + from + i, at)),
  );
}

const sourceOf = (list: readonly Part[]): CellSource => ({
  cells: async (i) => cellsOfMaps(list[i]!.maps),
  size: () => ({ width: 1, height: 1 }),
});

const examplesOf = (list: readonly Part[], marked: boolean): PlacedExample[] =>
  list.map(({ label, features, place }, group) => ({
    label,
    group,
    views: new Map([[0, features]]),
    places: marked && label !== 'good' ? [place] : [],
  }));

async function train(list: readonly Part[], marked: boolean, good = ['good']) {
  const examples = examplesOf(list, marked);
  const global = await fitHead(examples, { seed: 1 });
  return { global, fit: await fitPlaces(global, examples, sourceOf(list), { good, maps: sizes, seed: 1 }) };
}

function accuracy(head: Parameters<typeof probabilitiesOf>[0], list: readonly Part[]): number {
  const right = list.filter(({ features, maps, label }) => {
    const said = probabilitiesOf(head, features, maps);
    return head.labels[said.indexOf(Math.max(...said))] === label;
  });
  return right.length / list.length;
}

/** Share of the parts with a located defect whose highest box contains the defect. */
function pointing({ head, minPeak }: PlacesFit, list: readonly Part[]): number {
  const shown = list
    .filter(({ label }) => label !== 'good')
    .flatMap(({ maps, place }) => {
      const [box] = boxesIn({ data: whereOf(head, maps)!, height: side, width: side }, minPeak);
      return box ? [{ box, place }] : [];
    });
  expect(shown.length).toBeGreaterThan(0.8 * list.filter(({ label }) => label !== 'good').length);
  const hits = shown.filter(
    ({ box, place: { x, y } }) =>
      x >= box.x && x <= box.x + box.width && y >= box.y && y <= box.y + box.height,
  );
  return hits.length / shown.length;
}

describe('looking at places', () => {
  const training = parts(12);
  const fresh = parts(20, 500);

  it.each([
    ['marked', true],
    ['not marked, with known good parts', false],
  ])('detects small defects that features of the whole image do not show: %s', async (_, marked) => {
    const { global, fit: found } = await train(training, marked);
    expect(accuracy(global, fresh)).toBeLessThan(0.65);
    expect(found?.chosen.way).toBe('places');
    expect(found).toMatchObject(marked ? { marked: 24, guessed: 0 } : { marked: 0, guessed: 24 });
    expect(accuracy(found!.head, fresh)).toBeGreaterThan(0.8);
    expect(found!.chosen.accuracy).toBeGreaterThan(0.65);
    expect(pointing(found!, fresh)).toBeGreaterThan(0.8);
    training.forEach(({ features, maps }, i) => {
      probabilitiesOf(found!.head, features, maps).forEach((value, k) => {
        expect(value).toBeCloseTo(found!.head.seen[i]![k]!, 4);
      });
    });
  });

  it('looks at one place if all marks are there', async () => {
    const list = parts(5, 1, { row: 5, column: 2 });
    const { fit: found } = await train(list, true);
    expect(found?.tried.map(({ way, window }) => `${way} ${window}`)).toEqual([
      'features 0',
      'places 3',
      'places 5',
      'spot 7',
    ]);
    const examples = examplesOf(list, true);
    const options = { fold: list.map(() => 0), views: [0], windows: [3], spotWindow: 7 };
    const [, spot] = await localizedFeatures(sourceOf(list), examples, options);
    // Locates defects only in its own area.
    expect(spot?.detector).toMatchObject({ window: 3, within: { row: 2, column: 0, rows: 7, columns: 6 } });
  });

  it('locates defects also if it judges by the features alone', async () => {
    const examples = examplesOf(training, true);
    const features = { ...(await fitHead(examples, { seed: 1 })), loss: 0 };
    const options = { good: ['good'], maps: sizes, seed: 1 };
    const found = await fitPlaces(features, examples, sourceOf(training), options);
    expect(found?.chosen.way).toBe('features');
    expect(found?.head.cells).toBeUndefined();
    expect(found?.head.heldOut).toBe(features.heldOut);
    expect(pointing(found!, fresh)).toBeGreaterThan(0.8);
  });

  it('uses places that differ more than those of good parts, unless most defects have none', () => {
    const isGood = [...Array(10).fill(true), ...Array(10).fill(false)];
    const goods = [1, 2, 3, 4, 5, 6, 7, 8, 9, 30];
    expect(minPeak([...goods, ...goods.map((value) => 10 + value)], isGood)).toBe(9);
    expect(minPeak([...goods, ...goods.map((value) => 1 + value)], isGood)).toBe(3);
    expect(
      minPeak(
        goods,
        goods.map(() => false),
      ),
    ).toBe(2);
    expect(minPeak([-2, -1, -3, -2], [true, true, false, false])).toBe(0.1);
  });

  it('is not tried without information about places', async () => {
    const { fit: found } = await train(parts(4), false, ['nothing']);
    expect(found).toBeUndefined();
  });

  it('is the same for the same seed', async () => {
    const [a, b] = [await train(parts(5), false), await train(parts(5), false)];
    expect(b.fit?.tried).toEqual(a.fit?.tried);
    expect(b.fit?.head).toEqual(a.fit?.head);
  });

  it('can be stopped in the middle', async () => {
    const stop = new AbortController();
    const list = parts(6);
    const examples = examplesOf(list, true);
    const global = await fitHead(examples, { seed: 1 });
    const fitting = fitPlaces(global, examples, sourceOf(list), {
      good: ['good'],
      maps: sizes,
      seed: 1,
      signal: stop.signal,
      onProgress: (done) => done > 2_000 && stop.abort(new Error('enough')),
    });
    await expect(fitting).rejects.toThrow('enough');
  });
});

describe('cross-fitting', () => {
  const list = parts(10);
  const fold = list.map((_, i) => i % 5);
  const options = { fold, views: [0], windows: [3], spotWindow: 5 };

  it('applies no detector to images whose marks it was trained on', async () => {
    const marked = examplesOf(list, true);
    const elsewhere = marked.map((one, i) =>
      fold[i] === 2 ? { ...one, places: one.places.map(({ x, y }) => ({ x: 1 - x, y: 1 - y })) } : one,
    );
    const before = await localizedFeatures(sourceOf(list), marked, options);
    const after = await localizedFeatures(sourceOf(list), elsewhere, options);
    for (const [n, looked] of before.entries()) {
      for (const [i, f] of fold.entries()) {
        const [a, b] = [looked.crossFitted[i]!.get(0), after[n]!.crossFitted[i]!.get(0)];
        if (f === 2) expect(b).toEqual(a);
        else expect(b).not.toEqual(a);
      }
      expect(after[n]!.look).not.toEqual(looked.look);
    }
  });

  it('estimates places for such a detector without the good parts of the fold', async () => {
    const indices = (label: Label, is: boolean) =>
      list.flatMap((one, i) => ((one.label === label) === is ? [i] : []));
    const guess = (of: readonly Part[]) =>
      findAnomalies(sourceOf(of), {
        good: indices('good', true),
        defects: indices('good', false),
        fold,
        seed: 1,
      });
    const changed = list.map((one, i) => (fold[i] === 2 && one.label === 'good' ? part('pit', 77 + i) : one));
    const [before, after] = [await guess(list), await guess(changed)];
    for (const [i, { places, placesWithout }] of before) {
      const other = after.get(i)!;
      expect(other.placesWithout.get(2) ?? other.places).toEqual(placesWithout.get(2) ?? places);
    }
    expect([...after.values()]).not.toEqual([...before.values()]);
  });
});
