import { appendFile, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { backup } from '../../../agent/backup/backup.ts';
import { restore } from '../../../agent/backup/restore.ts';
import { datasetStatsCommand } from '../../../agent/cli/dataset/stats.ts';
import { indexAnnotations } from '../../../calibration/dataset/annotations.ts';
import { openDataset, readDataset } from '../../../calibration/dataset/dataset.ts';
import type { Shape } from '../../../calibration/dataset/shapes.ts';
import { modelSchema } from '../../../config/model-schema.ts';
import { storageSchema } from '../../../config/schema.ts';
import type { Image } from '../../../models/image.ts';
import { tempFolder } from '../../models/temp-folder.ts';

const image = (value: number): Image => ({ width: 6, height: 4, data: new Uint8Array(72).fill(value) });
const box = (x: number): Shape => ({ kind: 'box', label: 'scratch', x, y: 0.25, width: 0.125, height: 0.5 });
const onNotice = () => undefined;
const fileOf = (storage: string) => join(storage, 'dataset', 'annotations.jsonl');

async function add(storage: string, value: number, ...shapes: Shape[]): Promise<string> {
  await using dataset = await openDataset(storage, { onNotice, labels: ['good'] });
  const marks = { shapes, source: 'test' };
  return (await dataset.add({ image: image(value), label: 'scratch', by: 'anna', marks })).id;
}

async function shapesOf(storage: string): Promise<Record<string, readonly Shape[] | undefined>> {
  const { ids, read } = await indexAnnotations(storage);
  const entries = Array.from(ids, async (id) => [id, (await read(id))?.shapes] as const);
  return Object.fromEntries(await Promise.all(entries));
}

test('marks stay with their frame after another label, removal and undo', async () => {
  await using folder = await tempFolder();
  const storage = folder.path;
  const id = await add(storage, 1, box(0.25));
  expect(await shapesOf(storage)).toEqual({ [id]: [box(0.25)] });
  const written = await readFile(fileOf(storage));
  // Already known: nothing is added.
  await add(storage, 1, box(0.25));
  await add(storage, 1);
  expect(await readFile(fileOf(storage))).toEqual(written);
  await add(storage, 1, box(0.5), box(0.75));
  expect(await shapesOf(storage)).toEqual({ [id]: [box(0.5), box(0.75)] });

  await using dataset = await openDataset(storage, { onNotice, labels: ['good'] });
  await dataset.relabel([id], 'hole', { by: 'ben' });
  await dataset.remove([id], { by: 'ben' });
  await dataset.undo({ by: 'ben' });
  expect(dataset.frames.map(({ label }) => label)).toEqual(['hole']);
  expect(await shapesOf(storage)).toEqual({ [id]: [box(0.5), box(0.75)] });
  const config = {
    storage: storageSchema.parse({ directory: storage }),
    labels: { good: ['good'] },
  };
  expect((await datasetStatsCommand(config, { onNotice })).text).toContain(
    '1 of them with boxes, polygons or masks',
  );
});

test('after a cut at any position, complete lines are read and new ones can be added', async () => {
  await using folder = await tempFolder();
  const storage = folder.path;
  const first = await add(storage, 1, box(0.25));
  const whole = (await readFile(fileOf(storage))).length;
  const second = await add(storage, 2, box(0.5));
  const { length } = await readFile(fileOf(storage));
  for (const end of [whole + 1, whole + 90, length - 1]) {
    await truncate(fileOf(storage), end);
    expect(await shapesOf(storage)).toEqual({ [first]: [box(0.25)] });
    await add(storage, 2, box(0.5));
    expect(await shapesOf(storage)).toEqual({ [first]: [box(0.25)], [second]: [box(0.5)] });
  }
  // A damaged line affects one frame only.
  await appendFile(fileOf(storage), `{"schema":1,"id":"${first}","at":"?"}\n`);
  expect(await shapesOf(storage)).toEqual({ [first]: undefined, [second]: [box(0.5)] });
});

test('a backup restores marks', async () => {
  await using folder = await tempFolder();
  const [from, to] = [join(folder.path, 'from'), join(folder.path, 'to')];
  const id = await add(from, 1, box(0.25));
  const file = join(folder.path, 'backup.zip');
  const deps = { version: '0', onNotice, signal: new AbortController().signal };
  const configOf = (directory: string) => ({
    station: 's',
    model: modelSchema.parse({}),
    storage: storageSchema.parse({ directory }),
  });
  const configFile = join(folder.path, 'agent.yaml');
  await writeFile(configFile, 'station: s\n');
  await backup(configOf(from), { configFile, target: file }, deps);
  await restore(configOf(to), file, deps);
  expect((await readDataset(to, onNotice)).frames.map((frame) => frame.id)).toEqual([id]);
  expect(await shapesOf(to)).toEqual({ [id]: [box(0.25)] });
});
