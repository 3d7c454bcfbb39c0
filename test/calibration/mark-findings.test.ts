import { expect, it } from 'vitest';
import { indexAnnotations } from '../../calibration/dataset/annotations.ts';
import { openDataset } from '../../calibration/dataset/dataset.ts';
import type { Shape } from '../../calibration/dataset/shapes.ts';
import { markFindings } from '../../calibration/mark-findings.ts';
import { tempFolder } from '../models/temp-folder.ts';

const point = (label: string, x = 0.5): Shape => ({ kind: 'point', label, x, y: 0.5 });

/** @param frames label → shapes of each of its frames */
async function examined(
  frames: Readonly<Record<string, readonly (readonly Shape[])[]>>,
  missed: Readonly<Record<string, readonly number[]>> = {},
) {
  await using folder = await tempFolder();
  await using dataset = await openDataset(folder.path, { onNotice: () => undefined });
  const ids = new Map<string, string[]>();
  let value = 0;
  for (const [label, all] of Object.entries(frames)) {
    for (const shapes of all) {
      const image = { width: 4, height: 3, data: new Uint8Array(36).fill(value++) };
      const { id } = await dataset.add({ image, label, by: 'test', marks: { shapes, source: 'test' } });
      ids.set(label, [...(ids.get(label) ?? []), id]);
    }
  }
  const lost = Object.entries(missed).flatMap(([label, some]) =>
    some.map((i) => [ids.get(label)![i]!, { isMissed: true, own: 0.1 }] as const),
  );
  const findings = await markFindings(
    {
      frames: dataset.frames,
      annotations: await indexAnnotations(folder.path),
      good: ['good'],
      results: new Map(lost),
    },
    undefined,
  );
  const numberOf = new Map([...ids.values()].flatMap((all) => all.map((id, i) => [id, i] as const)));
  return findings.map(({ kind, text, frames }) => [kind, text, frames.map((id) => numberOf.get(id))]);
}

const times = (count: number, shapes: readonly Shape[] = []) => Array.from({ length: count }, () => shapes);

it('finds marks on good parts, at the edge, without area, and of another label', async () => {
  const flat: Shape = {
    kind: 'polygon',
    label: 'dent',
    points: [
      [0.25, 1],
      [0.5, 1],
      [0.75, 1],
    ],
  };
  expect(
    await examined({
      good: [[], [point('good')], [point('dent')]],
      dent: [[point('dent')], [point('dent', 0)], [flat], [point('renamed')]],
      scratch: [[point('dent')], [point('dent'), point('scratch')]],
    }),
  ).toEqual([
    ['marks-on-good', 'a defect is marked on 1 good part', [2]],
    ['mark-outside', '2 frames with a mark at the edge of the image or with no area', [1, 2]],
    ['marks-of-another-label', '1 frame with marks of another label only', [0]],
  ]);
});

it('suggests marks only for labels with few marks or many missed parts; missed parts come first', async () => {
  const marked = [point('dent')];
  expect(await examined({ good: times(9), dent: times(9) })).toEqual([]);
  expect(await examined({ good: times(9), dent: times(12, marked) }, { dent: [1, 2, 3] })).toEqual([]);
  expect(await examined({ dent: [marked, [], [], marked] }, { dent: [2] })).toEqual([
    ['unmarked', '4 frames of dent: 1 not recognised, 2 marked', [2, 1]],
  ]);
  expect(await examined({ good: times(3), dent: times(5) }, { dent: [3], good: [0, 1, 2] })).toEqual([
    ['unmarked', '5 frames of dent: 1 not recognised, 0 marked', [3, 0, 1, 2, 4]],
  ]);
});

it('finds a mark far from all others of its label, if these are at one place', async () => {
  const around = (x: number) => Array.from({ length: 12 }, (_, i) => [point('dent', x + (i % 5) / 100)]);
  expect(await examined({ dent: [...around(0.2), [point('dent', 0.8)]] })).toEqual([
    ['mark-elsewhere', '1 frame of dent marked far from where all others of it are marked', [12]],
  ]);
  // Two places, or few marks, do not count as one place.
  expect(await examined({ dent: [...around(0.2), ...around(0.7)] })).toEqual([]);
  expect(await examined({ dent: [...around(0.2).slice(0, 8), [point('dent', 0.8)]] })).toEqual([]);
});

it('names the eight frames for which a mark helps most', async () => {
  const found = await examined({ dent: times(30) }, { dent: [29, 3, 4, 5, 6, 7, 8, 9, 10, 11] });
  expect(found).toEqual([
    ['unmarked', '30 frames of dent: 10 not recognised, 0 marked', [3, 4, 5, 6, 7, 8, 9, 10]],
  ]);
});
