import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openEntries } from '../../../calibration/finetune/entries.ts';
import { tempFolder } from '../../models/temp-folder.ts';

const entryOf = (value: number) => ({
  map: new Float32Array(4).fill(value),
  others: [new Float32Array(2).fill(-value)],
});

it('continues after the last intact record: one that a power cut left as zeros is computed again', async () => {
  await using folder = await tempFolder();
  const file = join(folder.path, 'maps');
  {
    await using entries = await openEntries(file, [4, 2]);
    for (const value of [1, 2, 3]) await entries.add(entryOf(value));
  }
  const bytes = await readFile(file);
  bytes.fill(0, (2 * bytes.length) / 3);
  await writeFile(file, bytes);
  await using entries = await openEntries(file, [4, 2]);
  expect(entries.count).toBe(2);
  await entries.add(entryOf(7));
  const [map, other] = [new Float32Array(4), new Float32Array(2)];
  await entries.read(2, map, [other]);
  expect([...map, ...other]).toEqual([7, 7, 7, 7, -7, -7]);
  await entries.read(1, map, [other]);
  expect([...map]).toEqual([2, 2, 2, 2]);
});
