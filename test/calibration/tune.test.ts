import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDataset } from '../../calibration/dataset/dataset.ts';
import { mostProbable } from '../../calibration/train/evaluate.ts';
import { type TuneOptions, tune } from '../../calibration/tune.ts';
import { modelSchema } from '../../config/model-schema.ts';
import { storageSchema } from '../../config/schema.ts';
import { trainingSchema } from '../../config/training-schema.ts';
import { decodeHead, probabilitiesOf } from '../../models/head.ts';
import { openInspector } from '../../models/inspector.ts';
import { withBaseInUse } from '../../models/versions/pair.ts';
import { promoteVersion } from '../../models/versions/promote.ts';
import { openStore } from '../../models/versions/store.ts';
import { tempFolder } from '../models/temp-folder.ts';
import { tinyClassifier, writeTiny } from '../models/tiny-model.ts';
import { installTiny } from '../rigs/bases.ts';
import { type Label, surface } from './surface.ts';

async function label(storage: string, label: Label, count: number, from = 1) {
  await using dataset = await openDataset(storage, { onNotice: () => undefined });
  for (let i = 0; i < count; i++) {
    await dataset.add({ image: surface(label, from + i), label, by: 'test', partId: `${label}-${from + i}` });
  }
}

async function train(
  storage: string,
  base: string,
  options: Partial<TuneOptions> = {},
  signal?: AbortSignal,
) {
  const notices: string[] = [];
  const steps: string[] = [];
  const tuned = await tune(
    {
      model: modelSchema.parse({ base, provider: 'cpu' }),
      labels: { good: ['good'] },
      thresholds: { pass: 0.7, fail: 0.6 },
      storage: storageSchema.parse({ directory: storage, evidenceQuotaMb: 0 }),
      training: trainingSchema.parse({}),
    },
    { by: 'test', ...options },
    {
      signal,
      onNotice: (text) => notices.push(text),
      onProgress: (step, done, total) => steps.push(`${step} ${done}/${total}`),
    },
  );
  return { ...tuned, notices, steps };
}

const everything: readonly Label[] = ['good', 'stain', 'bright'];

describe('training', () => {
  it('makes a candidate whose stored head agrees with its report, and does not change the active head', async () => {
    await using folder = await tempFolder();
    const storage = folder.path;
    const base = await writeTiny(storage);
    for (const one of everything) await label(storage, one, 12);
    const first = await train(storage, base);
    const store = await openStore(storage);
    expect(await store.active()).toBeUndefined();
    expect(first.notices).toEqual([]);
    expect(first.steps).toContain('computing features 36/36');
    expect(first.steps.some((step) => step.startsWith('training '))).toBe(true);

    const { report } = first;
    expect(report.accuracy).toBeGreaterThan(0.8);
    expect(report.confusion.flat().reduce((a, b) => a + b)).toBe(36);
    expect(report.counts).toEqual({ good: 12, stain: 12, bright: 12 });
    expect(report.checks.map(({ name }) => name)).toEqual([
      'negative-transfer',
      'over-fitting',
      'forgetting',
    ]);
    expect(report.promised).toBe(false);
    expect(report.promise.map(({ text }) => text).join()).toMatch(/more are needed/);
    expect(report.gate.allowed).toBe(true);
    expect(report.learning).toMatchObject({ now: 12, points: expect.arrayContaining([expect.anything()]) });
    expect(report.learning?.sentence).toContain('more');

    const { manifest } = await store.read(first.version);
    expect(manifest).toMatchObject({
      labels: ['bright', 'good', 'stain'],
      thresholds: report.thresholds,
      training: { revision: report.revision, seed: 1, by: 'test' },
    });
    expect(await store.report(first.version)).toMatchObject(JSON.parse(JSON.stringify(report)));

    // The ONNX head gives the trainer's results in onnxruntime.
    await store.promote(first.version);
    await using inspector = await openInspector({
      model: modelSchema.parse({ base, provider: 'cpu' }),
      storageDirectory: storage,
      onNotice: () => undefined,
    });
    const { model } = await store.read(first.version);
    const head = decodeHead(model, manifest.labels)!;
    expect(head.transform).toBe('hellinger');
    let right = 0;
    for (const one of everything) {
      for (let seed = 100; seed < 110; seed++) {
        const image = surface(one, seed);
        const { probabilities } = await inspector.judge(image);
        probabilitiesOf(head, await inspector.features(image)).forEach((probability, k) => {
          expect(probabilities[manifest.labels[k]!]).toBeCloseTo(probability, 5);
        });
        if (mostProbable(probabilities) === one) right++;
      }
    }
    // Eight features of random weights: only an accuracy far above guessing can be expected.
    expect(right / 30).toBeGreaterThan(0.6);
  });

  it('is the same from its cache, also from a damaged one, and is not refused as worse than itself', async () => {
    await using folder = await tempFolder();
    const storage = folder.path;
    const base = await writeTiny(storage);
    for (const one of everything) await label(storage, one, 8);
    const first = await train(storage, base);
    const store = await openStore(storage);
    await store.promote(first.version);
    const [cache] = await readdir(join(storage, 'features'));
    const file = join(storage, 'features', cache!);
    await truncate(file, (await readFile(file)).length - 5);
    const again = await train(storage, base);
    const head = async (version: string) => (await store.read(version)).model;
    expect(await head(again.version)).toEqual(await head(first.version));
    expect(again.report.active).toMatchObject({ version: first.version, accuracy: first.report.accuracy });
    expect(again.report.gate).toMatchObject({ allowed: true });
  });

  it('refuses a candidate with wrong new labels after comparison with the active head', async () => {
    await using folder = await tempFolder();
    const storage = folder.path;
    const base = await writeTiny(storage);
    for (const one of everything) await label(storage, one, 12);
    const first = await train(storage, base);
    await (await openStore(storage)).promote(first.version);
    {
      // Confused keys: new good parts become stains, and new stains become good.
      await using dataset = await openDataset(storage, { onNotice: () => undefined });
      for (let seed = 200; seed < 206; seed++) {
        await dataset.add({ image: surface('good', seed), label: 'stain', by: 'test' });
        await dataset.add({ image: surface('stain', seed), label: 'good', by: 'test' });
      }
    }
    const { report } = await train(storage, base);
    expect(report.accuracy).toBeLessThan(first.report.accuracy);
    expect(report.gate.allowed).toBe(false);
    expect(report.worst.length).toBeGreaterThan(0);
  });

  it('compares with a head of another base by its recorded answers', async () => {
    await using folder = await tempFolder();
    await using other = await tempFolder();
    const storage = folder.path;
    const base = await writeTiny(storage);
    for (const one of everything) await label(storage, one, 6);
    const first = await train(storage, base);
    await (await openStore(storage)).promote(first.version);
    const another = await writeTiny(other.path, {}, tinyClassifier(2));
    expect((await train(storage, another)).notices).toEqual([]);
    // It has left no answer to these, and its base is not installed.
    for (const one of everything) await label(storage, one, 2, 50);
    const { notices, report } = await train(storage, another);
    expect(notices).toEqual([
      expect.stringMatching(/recorded answers only: .* was trained on the base tiny/),
    ]);
    expect(report.active).toEqual({ version: first.version, accuracy: first.report.accuracy });
  });
});

describe('an insufficient dataset', () => {
  it.each([
    ['no labels at all', {}, 'there are no labelled frames'],
    ['one defect label', { stain: 6 }, 'all 6 frames have the label stain'],
    [
      'too few good parts',
      { good: 6 },
      'a model version for good parts only needs 10 of them, and there are 6: 4 more',
    ],
    [
      'one image of a label',
      { good: 6, stain: 1 },
      'a model version for good parts only needs 10 of them, and there are 6: 4 more; one that knows defects needs 4 of each label: stain has 1',
    ],
  ])('%s is reported', async (_, counts, message) => {
    await using folder = await tempFolder();
    const base = await writeTiny(folder.path);
    for (const [name, count] of Object.entries(counts)) await label(folder.path, name as Label, count);
    await expect(train(folder.path, base)).rejects.toMatchObject({ code: 'training-impossible', message });
  });

  it('a damaged image is omitted and does not stop the training', async () => {
    await using folder = await tempFolder();
    const storage = folder.path;
    const base = await writeTiny(storage);
    await label(storage, 'good', 6);
    await label(storage, 'stain', 6);
    const [victim] = await readdir(join(storage, 'dataset', 'stain'));
    await writeFile(join(storage, 'dataset', 'stain', victim!), 'not a picture');
    const { notices, report } = await train(storage, base);
    expect(notices).toEqual([expect.stringContaining(`stain/${victim!.slice(0, 12)} is left out`)]);
    expect(report.frames).toBe(11);
  });

  it('a stopped training leaves no version', async () => {
    await using folder = await tempFolder();
    const storage = folder.path;
    const base = await writeTiny(storage);
    await label(storage, 'good', 6);
    await label(storage, 'stain', 6);
    const stop = AbortSignal.abort(new Error('enough'));
    await expect(train(storage, base, {}, stop)).rejects.toThrow('enough');
    expect(await (await openStore(storage)).list()).toEqual([]);
  });
});

describe('a disk that cannot be written', () => {
  it('a candidate that cannot be stored is reported, and the active head stays', async () => {
    await using folder = await tempFolder();
    const storage = folder.path;
    const base = await writeTiny(storage);
    for (const one of everything) await label(storage, one, 8);
    await writeFile(join(storage, 'models'), '');
    await expect(train(storage, base)).rejects.toMatchObject({
      code: 'dataset-write-failed',
      message: expect.stringContaining('the candidate cannot be stored'),
    });
    expect(await readdir(storage)).not.toContain('models.draft');
  });
});

describe('small sets', () => {
  it('trains with one image more than the minimum, and reports which rates cannot be promised', async () => {
    await using folder = await tempFolder();
    const storage = folder.path;
    const base = await writeTiny(storage);
    await label(storage, 'good', 4);
    await label(storage, 'bright', 4);
    const { report } = await train(storage, base);
    expect(report.promised).toBe(false);
    expect(report.promise.map(({ text }) => text).join()).toMatch(
      /4 labelled bad parts are not enough .* at least 41 more are needed/,
    );
  });
});

describe('a candidate on another base', () => {
  it('is judged against the active head on all held-out parts, and promoted with its base', async () => {
    await using folder = await tempFolder();
    const storage = folder.path;
    await installTiny(storage, 'one');
    await installTiny(storage, 'two', tinyClassifier(2));
    for (const one of everything) await label(storage, one, 10);
    const first = await train(storage, 'one');
    const store = await openStore(storage);
    await store.promote(first.version);
    // The active head has no recorded answers for these.
    for (const one of everything) await label(storage, one, 4, 100);
    const { notices, report, version } = await train(storage, 'one', { base: 'two' });
    expect(notices).toEqual([]);
    expect(report.active?.version).toBe(first.version);
    expect(report.gate.reason).toContain('of 42 parts');
    expect((await store.read(version)).manifest).toMatchObject({
      base: { name: 'two' },
      training: { against: first.version },
    });
    const config = {
      model: modelSchema.parse({ base: 'one', provider: 'cpu' }),
      storage: storageSchema.parse({ directory: storage }),
    };
    await promoteVersion(config, version, { by: 'test', override: 'a test' });
    expect((await withBaseInUse(config.model, storage)).base).toBe('two');
    // From now on, training uses the new base.
    const next = await train(storage, 'one');
    expect((await store.read(next.version)).manifest.base.name).toBe('two');
  });
});
