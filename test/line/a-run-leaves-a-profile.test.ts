import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { tempFolder } from '../models/temp-folder.ts';
import { openPlant } from '../rigs/plant.ts';

test('run --profile saves the time of each node of the base, and prints its place and how to read it', async () => {
  await using folder = await tempFolder();
  const profile = join(folder.path, 'profile');
  await using plant = await openPlant({
    trigger: { kind: 'continuous', everyMs: 200 },
    args: ['--profile', profile],
  });
  await plant.nextResults(3);
  expect(await plant.stop()).toBe(0);
  const [file = ''] = await readdir(profile);
  const events = JSON.parse(await readFile(join(profile, file), 'utf8')) as { cat?: string; name?: string }[];
  expect(events.filter(({ cat }) => cat === 'Node').length).toBeGreaterThan(100);
  await plant.agent.logs(/profile was written to .*Perfetto/);
});
