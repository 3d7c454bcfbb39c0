import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openSession } from '../../../models/run/session.ts';
import { formulaImage } from '../formula-image.ts';
import { tempFolder } from '../temp-folder.ts';
import { writeTiny } from '../tiny-model.ts';

interface Event {
  readonly cat: string;
  readonly name: string;
}

async function profiled(runs: number): Promise<Event[]> {
  await using folder = await tempFolder();
  const base = await writeTiny(folder.path);
  const profile = join(folder.path, 'new', 'profile');
  {
    await using session = await openSession({
      base,
      precision: 'auto',
      provider: 'cpu',
      threads: 1,
      profile,
    });
    for (let n = 0; n < runs; n++) await session.features(formulaImage(32, 32));
  }
  const files = await readdir(profile);
  expect(files).toEqual([expect.stringMatching(/^base_.*\.json$/)]);
  return JSON.parse(await readFile(join(profile, files[0]!), 'utf8')) as Event[];
}

const runsIn = (events: readonly Event[]) => events.filter(({ name }) => name === 'model_run').length;

test('a profile names the nodes of the base, and is complete when the session is closed', async () => {
  const events = await profiled(3);
  // The warm-up is a run too.
  expect(runsIn(events)).toBe(4);
  const nodes = events.filter(({ cat }) => cat === 'Node').map(({ name }) => name);
  expect(nodes.filter((name) => /pool/i.test(name)).length).toBeGreaterThanOrEqual(4);
});

test('it ends automatically after a number of runs', async () => {
  expect(runsIn(await profiled(520))).toBe(500);
});
