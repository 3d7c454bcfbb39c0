import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { writeConfigFile } from '../../../agent/settings/file.ts';
import { tempFolder } from '../../models/temp-folder.ts';

it('writes the file although an old copy cannot be removed', async () => {
  await using folder = await tempFolder();
  const file = join(folder.path, 'agent.yaml');
  const old = (second: number) => `agent.yaml.2026-01-01T0000${String(second).padStart(2, '0')}.000Z`;
  // The oldest is a folder, which is not removed.
  await mkdir(join(folder.path, old(0)));
  for (let second = 1; second <= 20; second++) await writeFile(join(folder.path, old(second)), '');
  await writeFile(file, 'station: press-3\n');
  const copy = await writeConfigFile(file, 'station: press-4\n');
  expect(await readFile(file, 'utf8')).toBe('station: press-4\n');
  expect(await readFile(join(folder.path, copy ?? ''), 'utf8')).toBe('station: press-3\n');
  const names = await readdir(folder.path);
  expect([0, 1, 2].map((second) => names.includes(old(second)))).toEqual([true, false, true]);
});
