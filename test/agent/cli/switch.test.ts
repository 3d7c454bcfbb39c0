import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { modelsRollbackCommand } from '../../../agent/cli/models/rollback.ts';
import { modelsSwitchCommand } from '../../../agent/cli/models/switch.ts';
import { trainCommand } from '../../../agent/cli/train.ts';
import { openDataset } from '../../../calibration/dataset/dataset.ts';
import { loadConfig } from '../../../config/load.ts';
import { withBaseInUse } from '../../../models/versions/pair.ts';
import { surface } from '../../calibration/surface.ts';
import { tempFolder } from '../../models/temp-folder.ts';
import { tinyClassifier } from '../../models/tiny-model.ts';
import { blindBase, installTiny } from '../../rigs/bases.ts';

const deps = { onProgress: () => undefined, onNotice: () => undefined };

/** A station with two good bases and a blind one; `recipes.small` names the head that is active at first. */
async function station(folder: string) {
  await installTiny(folder, 'one');
  await installTiny(folder, 'two', tinyClassifier(3));
  await installTiny(folder, 'blind', blindBase());
  await using dataset = await openDataset(folder, { onNotice: () => undefined });
  for (const label of ['good', 'stain', 'bright'] as const)
    for (let i = 1; i <= 10; i++)
      await dataset.add({ image: surface(label, i), label, by: 'test', partId: `${label}-${i}` });
  const file = join(folder, 'agent.yaml');
  const write = (more = '') =>
    writeFile(
      file,
      `station: press-3\ncameras: {top: {url: "rtsp://127.0.0.1:1/x"}}\nmodel: {base: one, provider: cpu, threads: 1}\nstorage: {directory: ${folder}}\n${more}`,
    );
  await write();
  const first = await trainCommand(loadConfig(file, {}), { promote: true, by: 'anna' }, deps);
  await write(`recipes: {small: {head: "${(first.json as { version: string }).version}"}}\n`);
  return loadConfig(file, {});
}

it('switches base and head together, and back', async () => {
  await using folder = await tempFolder();
  const config = await station(folder.path);
  const options = { promote: true, by: 'anna' };

  // A worse base is refused, and base and head stay.
  const worse = await modelsSwitchCommand(config, 'blind', options, deps);
  expect(worse.refused).toBe(true);
  expect(worse.text).toMatch(/^gate +REFUSED/m);
  expect((await withBaseInUse(config.model, folder.path)).base).toBe('one');

  const switched = await modelsSwitchCommand(config, 'two', options, deps);
  expect(switched.refused).toBe(false);
  expect(switched.text).toContain('recipes.small.head is');
  expect(switched.text).toContain('until the configuration names a head for two');
  expect((await withBaseInUse(config.model, folder.path)).base).toBe('two');
  await expect(modelsSwitchCommand(config, 'two', options, deps)).rejects.toMatchObject({
    code: 'base-in-use',
  });
  await expect(modelsSwitchCommand(config, 'three', options, deps)).rejects.toMatchObject({
    code: 'model-missing',
  });

  await modelsRollbackCommand(config, { by: 'anna' });
  expect((await withBaseInUse(config.model, folder.path)).base).toBe('one');
}, 30_000);
