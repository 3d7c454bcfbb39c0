import { join } from 'node:path';
import { expect, it } from 'vitest';
import { indexAnnotations } from '../../../calibration/dataset/annotations.ts';
import { openDataset, readDataset } from '../../../calibration/dataset/dataset.ts';
import { exportDataset } from '../../../calibration/dataset/export.ts';
import type { Mark } from '../../../calibration/dataset/shapes.ts';
import { importImages } from '../../../calibration/import/import.ts';
import { openSource } from '../../../calibration/import/source.ts';
import { tempFolder } from '../../models/temp-folder.ts';
import { openRealCalibration } from '../../rigs/real-calibration.ts';

const anna = { by: 'anna' };
const onNotice = () => undefined;
const tap = (x: number): Mark => ({ kind: 'point', x, y: 0.5 });
const drag: Mark = { kind: 'box', x: 0.25, y: 0.25, width: 0.5, height: 0.125 };

it('stores marks with the label, corrects them, and undoes both as one step', async () => {
  await using folder = await tempFolder();
  await using rig = await openRealCalibration(folder.path);
  const { calibration } = rig;
  const resultId = rig.judge(1);
  const marksOf = async (id: string) => (await calibration.marks(id)).marks;
  const isMarked = async () => (await calibration.frames({ limit: 9 })).items.map(({ marked }) => marked);

  const { id } = await calibration.label({ resultId, label: 'scratch', marks: [tap(0.25), drag] }, anna);
  const [point, box] = [
    { ...tap(0.25), label: 'scratch' },
    { ...drag, label: 'scratch' },
  ];
  expect(await marksOf(id)).toEqual([point, box]);
  expect(await isMarked()).toEqual([true]);
  // Without marks in the request, the existing ones stay; they get the new label only if they are sent.
  expect(await calibration.label({ resultId, label: 'dent' }, anna)).toMatchObject({ outcome: 'relabelled' });
  expect(await marksOf(id)).toEqual([point, box]);
  expect(await calibration.label({ resultId, label: 'dent', marks: [tap(0.75)] }, anna)).toMatchObject({
    outcome: 'marked',
  });
  expect(await marksOf(id)).toEqual([{ ...tap(0.75), label: 'dent' }]);
  expect(await calibration.label({ resultId, label: 'dent', marks: [tap(0.75)] }, anna)).toMatchObject({
    outcome: 'same',
  });
  expect((await calibration.overview(anna)).undoable).toBe('marks on part A-1');
  await calibration.undo(anna);
  expect(await marksOf(id)).toEqual([point, box]);

  const none = { marks: [], areas: 'keep' } as const;
  expect(await calibration.mark(id, none, anna)).toEqual({ changed: true });
  expect(await calibration.mark(id, none, anna)).toEqual({ changed: false });
  expect([await marksOf(id), await isMarked()]).toEqual([[], [false]]);
  await calibration.undo(anna);
  expect(await marksOf(id)).toEqual([point, box]);
  await calibration.undo(anna);
  await calibration.undo(anna);
  expect((await calibration.frames({ limit: 9 })).total).toBe(0);
  // It returns without marks.
  await calibration.label({ resultId, label: 'good' }, anna);
  expect([await marksOf(id), await isMarked()]).toEqual([[], [false]]);
});

it('refuses marks on a good part, and an unknown frame', async () => {
  await using folder = await tempFolder();
  await using rig = await openRealCalibration(folder.path);
  const { calibration } = rig;
  const resultId = rig.judge(1);
  const refused = { code: 'marks-on-good' };
  const marks = [tap(0.5)];
  await expect(calibration.label({ resultId, label: ' good ', marks }, anna)).rejects.toMatchObject(refused);
  const { id } = await calibration.label({ resultId, label: 'good', marks: [] }, anna);
  await expect(calibration.mark(id, { marks, areas: 'keep' }, anna)).rejects.toMatchObject(refused);
  const unknown = { code: 'frame-unknown' };
  await expect(calibration.marks('0'.repeat(64))).rejects.toMatchObject(unknown);
  await expect(calibration.mark('0'.repeat(64), { marks, areas: 'keep' }, anna)).rejects.toMatchObject(
    unknown,
  );
});

it('keeps imported polygons and taps until they are removed, and marks survive export, import and restart', async () => {
  await using folder = await tempFolder();
  const [from, to] = [join(folder.path, 'from'), join(folder.path, 'to')];
  const points: [number, number][] = [
    [0.25, 0.25],
    [0.5, 0.25],
    [0.25, 0.5],
  ];
  const polygon = { kind: 'polygon' as const, label: 'dent', points };
  let id: string;
  {
    await using dataset = await openDataset(from, { onNotice, labels: ['good'] });
    const image = { width: 40, height: 30, data: new Uint8Array(3600).fill(9) };
    const marks = { shapes: [polygon], source: 'test' };
    id = (await dataset.add({ image, label: 'dent', by: 'import', marks })).id;
  }
  {
    await using rig = await openRealCalibration(from);
    await rig.calibration.mark(id, { marks: [tap(0.75)], areas: 'keep' }, anna);
    const { marks, areas } = await rig.calibration.marks(id);
    expect([marks.map(({ x }) => x), areas]).toMatchObject([[0.75], [{ kind: 'polygon', points }]]);
    await rig.calibration.mark(id, { marks: [tap(0.75)], areas: 'remove' }, anna);
    expect((await rig.calibration.marks(id)).areas).toEqual([]);
    await rig.calibration.undo(anna);
  }
  const target = join(folder.path, 'export');
  await exportDataset(await readDataset(from, onNotice), await indexAnnotations(from), target);
  {
    await using source = await openSource(target);
    await using dataset = await openDataset(to, { onNotice, labels: ['good'] });
    await importImages(source, dataset, { by: 'import', good: ['good'] });
  }
  for (const storage of [from, to]) {
    const annotation = await (await indexAnnotations(storage)).read(id);
    expect(annotation?.shapes).toEqual([polygon, { ...tap(0.75), label: 'dent' }]);
  }
});
