import { writeFile } from 'node:fs/promises';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { openLiveModel } from '../../agent/live-model.ts';
import { createMetrics } from '../../agent/metrics/metrics.ts';
import { openBook } from '../../agent/recipes/book.ts';
import { modelSchema } from '../../config/model-schema.ts';
import { storageSchema } from '../../config/schema.ts';
import { openInspector } from '../../models/inspector.ts';
import { openStore } from '../../models/versions/store.ts';
import { plate, storeHead } from '../models/fitted-head.ts';
import { tempFolder } from '../models/temp-folder.ts';
import { tinyClassifier } from '../models/tiny-model.ts';
import { installTiny } from '../rigs/bases.ts';

const configFor = (directory: string, base = 'one') => ({
  model: modelSchema.parse({ base, provider: 'cpu', threads: 1 }),
  storage: storageSchema.parse({ directory }),
  thresholds: { pass: 0.7, fail: 0.6 },
  labels: { good: ['good'] },
});

async function open(directory: string) {
  const metrics = createMetrics({ version: '0' });
  const book = openBook({ recipes: {}, cameras: {} });
  const live = await openLiveModel(configFor(directory), {
    log: pino({ level: 'silent' }),
    metrics,
    recipes: { book, active: 'default' },
    onChange: () => undefined,
    onServer: () => undefined,
  });
  return { live, metrics };
}

async function headOn(directory: string, base: string, promote: boolean) {
  const { model } = configFor(directory, base);
  await using inspector = await openInspector({
    model,
    storageDirectory: directory,
    onNotice: () => undefined,
  });
  return await storeHead(directory, inspector.manifest, inspector.features, { promote });
}

describe('the model of a running line', () => {
  it('changes base and head together, and back, and reports it', async () => {
    await using folder = await tempFolder();
    await installTiny(folder.path, 'one');
    await installTiny(folder.path, 'two', tinyClassifier(2));
    const first = await headOn(folder.path, 'one', true);
    const second = await headOn(folder.path, 'two', false);
    const { live, metrics } = await open(folder.path);
    await using _ = live;
    const judged = async () => {
      const { model } = await live.classify(plate('scratch', 5));
      return `${model.version} on ${model.base}`;
    };
    expect(await judged()).toBe(`${first} on one`);
    // Simultaneous requests are processed one after the other.
    await Promise.all([live.promote(second), live.rollback(), live.promote(second)]);
    expect(await judged()).toBe(`${second} on two`);
    expect(live.info).toMatchObject({ version: second, base: 'two' });
    expect(live.misfit).toBeUndefined();
    expect(await metrics.text()).toMatch(/qc_model_info\{.*base="two".*\} 1/);
    await live.rollback();
    expect(await judged()).toBe(`${first} on one`);
  });

  it('keeps the old pair, also on disk, if the new one cannot be loaded', async () => {
    await using folder = await tempFolder();
    await installTiny(folder.path, 'one');
    await installTiny(folder.path, 'two', tinyClassifier(2));
    const first = await headOn(folder.path, 'one', true);
    const second = await headOn(folder.path, 'two', false);
    const { live } = await open(folder.path);
    await using _ = live;
    // Its manifest is intact, its weights are not.
    await writeFile(`${folder.path}/bases/two.onnx`, 'damaged');
    await expect(live.promote(second)).rejects.toMatchObject({ code: 'model-damaged' });
    expect(live.info).toMatchObject({ version: first, base: 'one' });
    const store = await openStore(folder.path);
    expect([await store.active(), await store.activeBase()]).toEqual([first, undefined]);
    // A rollback must not lead to the version that was refused.
    expect(await store.history()).toEqual([]);
  });
});
