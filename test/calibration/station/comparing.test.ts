import { pino } from 'pino';
import { expect, it } from 'vitest';
import { openDataset } from '../../../calibration/dataset/dataset.ts';
import { createComparing } from '../../../calibration/station/comparing.ts';
import { modelSchema } from '../../../config/model-schema.ts';
import { storageSchema } from '../../../config/schema.ts';
import { trainingSchema } from '../../../config/training-schema.ts';
import { tempFolder } from '../../models/temp-folder.ts';
import { installTiny } from '../../rigs/bases.ts';
import { until } from '../../rigs/until.ts';
import { surface } from '../surface.ts';

it('compares in its own process, one at a time and not during a training', async () => {
  await using folder = await tempFolder();
  await installTiny(folder.path, 'seeing');
  {
    await using dataset = await openDataset(folder.path, { onNotice: () => undefined });
    for (const label of ['good', 'stain'] as const)
      for (let i = 1; i <= 5; i++) await dataset.add({ image: surface(label, i), label, by: 'test' });
  }
  const config = {
    model: modelSchema.parse({ base: 'seeing', provider: 'cpu', threads: 1 }),
    labels: { good: ['good'] },
    thresholds: { pass: 0.7, fail: 0.6 },
    storage: storageSchema.parse({ directory: folder.path }),
    training: trainingSchema.parse({}),
  };
  let isTraining = true;
  const log = pino({ level: 'silent' });
  await using comparing = createComparing(config, log, () => isTraining);
  const start = () => comparing.start({ names: [], sizes: false }, 'anna');
  const busy = expect.objectContaining({ code: 'training-busy' });
  expect(start).toThrow(busy);
  isTraining = false;

  start();
  expect(start).toThrow(busy);
  expect(await comparing.view()).toMatchObject({ state: 'running', by: 'anna', comparison: null });
  comparing.cancel();
  await until(() => !comparing.isRunning, { what: 'the comparison to be cancelled', timeoutMs: 10_000 });
  expect(await comparing.view()).toMatchObject({ state: 'cancelled', comparison: null });

  start();
  await until(() => !comparing.isRunning, { what: 'the comparison to end', timeoutMs: 120_000 });
  expect(await comparing.view()).toMatchObject({
    state: 'done',
    error: null,
    comparison: { inUse: 'seeing', frames: 10, recommended: null },
  });
}, 150_000);
