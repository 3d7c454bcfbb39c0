import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { modelsCompareCommand } from '../../../agent/cli/models/compare.ts';
import { compareBases } from '../../../calibration/compare/compare.ts';
import type { Comparison } from '../../../calibration/compare/comparison.ts';
import { lastComparison } from '../../../calibration/compare/kept.ts';
import { openDataset } from '../../../calibration/dataset/dataset.ts';
import { modelSchema } from '../../../config/model-schema.ts';
import { storageSchema } from '../../../config/schema.ts';
import { trainingSchema } from '../../../config/training-schema.ts';
import { tempFolder } from '../../models/temp-folder.ts';
import { tinyClassifier } from '../../models/tiny-model.ts';
import { blindBase, installTiny } from '../../rigs/bases.ts';
import { type Label, surface } from '../surface.ts';

const perLabel = 10;

/** Parts of three labels, and three tiny bases: two with different weights, and one with constant features. */
async function site(storage: string, base: string, labels: readonly Label[] = ['good', 'stain', 'bright']) {
  await using dataset = await openDataset(storage, { onNotice: () => undefined });
  for (const label of labels) {
    for (let i = 1; i <= perLabel; i++)
      await dataset.add({ image: surface(label, i), label, by: 'test', partId: `${label}-${i}` });
  }
  await installTiny(storage, 'seeing');
  await installTiny(storage, 'alike', tinyClassifier(3));
  await installTiny(storage, 'blind', blindBase());
  return {
    model: modelSchema.parse({ base, provider: 'cpu', threads: 1 }),
    labels: { good: ['good'] },
    thresholds: { pass: 0.7, fail: 0.6 },
    storage: storageSchema.parse({ directory: storage }),
    training: trainingSchema.parse({}),
  };
}

function deps(signal?: AbortSignal) {
  const steps: string[] = [];
  return {
    steps,
    onNotice: () => undefined,
    onProgress: (step: string, done: number, total: number) => void steps.push(`${step} ${done}/${total}`),
    signal,
  };
}

describe('comparing bases', () => {
  it('recommends the significantly better one, with figures of all', async () => {
    await using folder = await tempFolder();
    const config = await site(folder.path, 'blind');
    const heard = deps();
    const { text, json } = await modelsCompareCommand(config, { names: ['seeing'] }, heard);
    const comparison = await lastComparison(folder.path);
    expect(comparison).toEqual(json);
    expect(comparison).toMatchObject({
      inUse: 'blind',
      frames: 3 * perLabel,
      counts: { good: perLabel, stain: perLabel, bright: perLabel },
      folds: 5,
      failed: [],
    });
    const of = (name: string) => comparison!.bases.find((one) => one.name === name)!;
    expect(comparison!.bases.map(({ name }) => name).sort()).toEqual([
      'blind',
      'resnet50-embedded',
      'seeing',
    ]);
    expect(comparison!.bases[0]!.name).toBe('blind');
    expect(of('blind')).toMatchObject({ inUse: true, toInUse: null, licence: 'CC0-1.0', features: 8 });
    expect(of('blind').speed.float.ratio).toBe(1);
    expect(of('blind').toStatistics.points).toBeLessThan(0);
    expect(of('seeing').toInUse).toMatchObject({ to: 'blind' });
    expect(of('seeing').toInUse!.points).toBeGreaterThan(20);
    expect(of('seeing').toInUse!.p).toBeLessThan(0.05);
    expect(of('seeing').goodOnlyMissing).toContain('no maps');
    expect(of('resnet50-embedded').goodOnly).toMatchObject({ good: perLabel, defects: 2 * perLabel });
    expect(of('resnet50-embedded').speed.float.ratio).toBeGreaterThan(2);
    expect(of('resnet50-embedded').memory!.float).toBeGreaterThan(of('seeing').memory!.float);
    expect(comparison!.recommended).not.toBeNull();
    expect(text).toContain(`qc-agent models switch ${comparison!.recommended}`);
    expect(text).toMatch(/^\* blind .* CC0-1\.0$/m);
    expect(heard.steps).toContain(`seeing: computing features ${3 * perLabel}/${3 * perLabel}`);
  }, 150_000);

  it('keeps the base in use without a significant difference', async () => {
    await using folder = await tempFolder();
    const config = await site(folder.path, 'seeing');
    const { text, json } = await modelsCompareCommand(config, { names: ['alike', 'blind'] }, deps());
    expect(json).toMatchObject({ recommended: null });
    expect(text).toMatch(/keep seeing: no significant difference to .*alike/);
    expect(text).toMatch(/^blind: significantly worse/m);
  }, 150_000);

  it('compares the base in use at other input sizes, and recommends none that takes too long', async () => {
    await using folder = await tempFolder();
    const config = await site(folder.path, 'resnet50-embedded');
    const notices: string[] = [];
    const options = { sizes: true, names: ['resnet50-embedded@96x64', 'blind'], maxMs: 0.001 };
    const { json } = await modelsCompareCommand(config, options, {
      ...deps(),
      onNotice: (text) => notices.push(text),
    });
    const { bases, recommended } = json as Comparison;
    // The frames are squares with fewer pixels than the input.
    expect(notices).toContain('frames have 40×40 pixels: no other input size will be compared');
    expect(bases.map(({ name }) => name).sort()).toEqual([
      'blind',
      'resnet50-embedded',
      'resnet50-embedded@96x64',
    ]);
    const alone = await compareBases(config, { sizes: true }, deps());
    expect(alone.bases.map(({ name }) => name)).toEqual(['resnet50-embedded']);
    const sized = bases.find(({ name }) => name.includes('@'))!;
    expect(sized.speed.float.ratio).toBeLessThan(0.8);
    expect(sized.sha256).not.toBe(bases[0]!.sha256);
    expect(recommended).toBeNull();
  }, 60_000);

  it('leaves no result if it is stopped, and later continues with the stored features', async () => {
    await using folder = await tempFolder();
    const config = await site(folder.path, 'seeing', ['good', 'stain']);
    const stop = new AbortController();
    const heard = deps(stop.signal);
    const onProgress = (step: string, done: number, total: number) => {
      heard.onProgress(step, done, total);
      if (step === 'seeing: computing features' && done === 20) stop.abort(new Error('stopped'));
    };
    await expect(compareBases(config, { names: ['blind'] }, { ...heard, onProgress })).rejects.toThrow(
      'stopped',
    );
    expect(await lastComparison(folder.path)).toBeUndefined();
    await access(join(folder.path, 'features'));
    await expect(access(join(folder.path, 'models'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('names bases that it cannot compare', async () => {
    await using folder = await tempFolder();
    const config = await site(folder.path, 'seeing', ['good']);
    await expect(compareBases(config, {}, deps())).rejects.toMatchObject({ code: 'training-impossible' });
    const stained = await tempFolder();
    const other = await site(stained.path, 'seeing', ['good', 'stain']);
    await expect(compareBases(other, { names: ['nowhere'] }, deps())).rejects.toMatchObject({
      code: 'model-missing',
      message: expect.stringContaining('"nowhere"'),
    });
    await stained[Symbol.asyncDispose]();
  });
});
