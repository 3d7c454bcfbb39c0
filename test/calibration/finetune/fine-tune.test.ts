import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compareTuned } from '../../../calibration/finetune/compare.ts';
import { createTimeLeft } from '../../../calibration/jobs/time-left.ts';
import { quantize } from '../../../calibration/quantize.ts';
import { tune } from '../../../calibration/tune.ts';
import type { TrainingConfig } from '../../../config/schema.ts';
import { trainingSchema } from '../../../config/training-schema.ts';
import { argmax } from '../../../models/argmax.ts';
import { openBase } from '../../../models/base.ts';
import { decodeHead, probabilitiesOf } from '../../../models/head.ts';
import { openSession } from '../../../models/run/session.ts';
import { withBaseInUse } from '../../../models/versions/pair.ts';
import { promoteVersion } from '../../../models/versions/promote.ts';
import { openStore } from '../../../models/versions/store.ts';
import { tempFolder } from '../../models/temp-folder.ts';
import { tinyClassifier, writeTiny } from '../../models/tiny-model.ts';
import { site } from '../site.ts';
import { surface } from '../surface.ts';

type Site = Awaited<ReturnType<typeof site>>;

async function train(
  config: Site,
  fineTune: TrainingConfig['fineTune'],
  { stopAfter }: { readonly stopAfter?: number } = {},
) {
  const notices: string[] = [];
  const steps: number[] = [];
  const stop = new AbortController();
  const tuned = await tune(
    { ...config, training: trainingSchema.parse({}) },
    { by: 'test', training: { fineTune } },
    {
      signal: stop.signal,
      onNotice: (text) => notices.push(text),
      onProgress: (step, done) => {
        if (step !== 'fine-tuning') return;
        steps.push(done);
        if (done === stopAfter) stop.abort(new Error('stopped'));
      },
    },
  ).catch((error: unknown) => ({ error }));
  return { tuned, notices, steps };
}

async function trained(config: Site, fineTune: TrainingConfig['fineTune']) {
  const { tuned, ...rest } = await train(config, fineTune);
  if ('error' in tuned) throw tuned.error;
  const { directory } = config.storage;
  const store = await openStore(directory);
  return { ...tuned, ...rest, directory, store, manifest: (await store.read(tuned.version)).manifest };
}

describe('training with fine-tuning', () => {
  it('makes a base with its head, which judge together; the next training starts from the frozen base', async () => {
    await using folder = await tempFolder();
    const config = await site(folder.path, { labelled: 12 });
    const { version, report, manifest, directory, notices } = await trained(config, 'on');
    expect(notices).toEqual([]);
    expect(report.fineTuning).toMatchObject({ mode: 'on', used: true, layers: 4 });
    expect(report.accuracy).toBeCloseTo(report.fineTuning!.tuned, 6);
    expect(report.fineTuning!.checks.map(({ name }) => name)).toEqual([
      'negative-transfer',
      'over-fitting',
      'forgetting',
    ]);
    expect(await readdir(directory)).not.toContain('finetune');

    expect(manifest.base.name).toMatch(/^tiny-tuned-[0-9a-f]{8}$/);
    const { manifest: base } = await openBase({
      base: manifest.base.name,
      precision: 'auto',
      storageDirectory: directory,
    });
    expect(base.sha256).toBe(manifest.base.sha256);
    const { manifest: frozen } = await openBase({ base: config.model.base, precision: 'auto' });
    expect(base.fineTuned).toEqual({ from: config.model.base, sha256: frozen.sha256 });

    // The gate and everything behind it treat it as a candidate with its own base.
    await promoteVersion(config, version, { by: 'test', override: 'a test' });
    const inUse = await withBaseInUse(config.model, directory);
    expect(inUse.base).toBe(manifest.base.name);
    await using session = await openSession({ ...inUse, storageDirectory: directory });
    const { model } = await (await openStore(directory)).read(version);
    const head = decodeHead(model, manifest.labels)!;
    let right = 0;
    for (let i = 100; i < 110; i++) {
      const said = probabilitiesOf(head, await session.features(surface('stain', i)));
      if (head.labels[argmax(said)] === 'stain') right++;
    }
    expect(right).toBeGreaterThanOrEqual(7);

    // It has an int8 variant like any base.
    const { report: int8 } = await quantize(
      { ...config, model: inUse },
      { frames: 12 },
      { onNotice: () => undefined, onProgress: () => undefined },
    );
    expect(int8.base).toEqual({ name: base.name, sha256: base.sha256 });
    expect(int8.reason).toMatch(/correlate/);

    const next = await trained(config, 'off');
    expect(next.manifest.base.sha256).toBe(frozen.sha256);
    expect(next.report.fineTuning).toBeUndefined();
  });

  it('continues after it was stopped, with the same result', async () => {
    await using whole = await tempFolder();
    await using halves = await tempFolder();
    const config = await site(halves.path, { labelled: 8 });
    const once = await trained(await site(whole.path, { labelled: 8 }), 'on');
    const last = once.steps.at(-1)!;
    const stopped = await train(config, 'on', { stopAfter: Math.round(last / 2) });
    expect(stopped.tuned).toMatchObject({ error: expect.objectContaining({ message: 'stopped' }) });
    const [key = ''] = await readdir(join(config.storage.directory, 'finetune'));
    expect(await readdir(join(config.storage.directory, 'finetune', key))).toContain('fold-0-2.f32');
    const again = await trained(config, 'on');
    expect(again.steps.at(-1)).toBe(last);
    expect(again.manifest.base.sha256).toBe(once.manifest.base.sha256);
    expect(again.report.accuracy).toBe(once.report.accuracy);
  });

  it('keeps the frozen base with auto if the other is not significantly better', async () => {
    await using folder = await tempFolder();
    const config = await site(folder.path, { labelled: 8 });
    const { report, manifest, directory } = await trained(config, 'auto');
    expect(report.fineTuning).toMatchObject({ mode: 'auto', used: false });
    expect(report.fineTuning!.sentence).toMatch(/was tried and is not used, because/);
    expect(report.accuracy).toBeCloseTo(report.fineTuning!.frozen, 6);
    expect(manifest.base.name).toBe('tiny');
    expect(await readdir(join(directory, 'bases')).catch(() => [])).toEqual([]);
    expect(await readdir(directory)).not.toContain('finetune');
  });

  it('names the reason if the base has no block; auto trains a head anyway', async () => {
    await using folder = await tempFolder();
    const config = await site(folder.path, { labelled: 8 });
    const base = await writeTiny(folder.path, {}, tinyClassifier());
    const model = { ...config.model, base };
    const { notices, report } = await trained({ ...config, model }, 'auto');
    expect(notices.join()).toMatch(/the base is not fine-tuned: .*no block of convolutions/);
    expect(report.fineTuning).toBeUndefined();
    const refused = await train({ ...config, model }, 'on');
    expect(refused.tuned).toMatchObject({ error: { code: 'fine-tune-impossible' } });
  });
});

describe('the comparison with the frozen base', () => {
  const parts = 60;
  const frames = Array.from({ length: parts }, (_, i) => ({
    labelledAt: new Date(1e12 + i * 1e6).toISOString(),
  }));
  const compared = (frozenRight: (i: number) => boolean, tunedRight: (i: number) => boolean) =>
    compareTuned({
      mode: 'auto',
      frozen: frames.map((_, i) => frozenRight(i)),
      tuned: frames.map((_, i) => tunedRight(i)),
      seen: frames.map(() => true),
      frames,
      groups: frames.map((_, i) => i),
      seed: 1,
      epochs: 4,
      layers: 3,
      seconds: 1,
    });
  const failed = ({ checks }: ReturnType<typeof compared>) =>
    checks.filter(({ ok }) => !ok).map(({ name }) => name);

  it('uses it if it is significantly better', () => {
    const better = compared(
      (i) => i % 5 !== 0,
      () => true,
    );
    expect(better).toMatchObject({ used: true, won: 12, lost: 0 });
    expect(better.points).toBeCloseTo(20, 6);
    expect(failed(better)).toEqual([]);
  });

  it('does not use it after a gain that may be chance', () => {
    const slight = compared(
      (i) => i > 3,
      () => true,
    );
    expect(slight).toMatchObject({ used: false, won: 4, lost: 0, p: 0.125 });
  });

  it('reports harm, over-fitting and parts that were forgotten, with figures', () => {
    const worse = compared(
      () => true,
      (i) => i >= 12,
    );
    expect(worse).toMatchObject({ used: false, won: 0, lost: 12 });
    expect(failed(worse)).toEqual(['negative-transfer', 'over-fitting', 'forgetting']);
    expect(worse.checks[2]!.sentence).toMatch(/12 of the 60 parts .* 12 of 30 among the half/);
  });
});

it('estimates the time left of a step from its progress', () => {
  let now = 0;
  const timeLeft = createTimeLeft(() => now);
  expect(timeLeft('fine-tuning', 10, 110)).toBeUndefined();
  now = 1_000;
  expect(timeLeft('fine-tuning', 11, 110)).toBeUndefined();
  now = 20_000;
  expect(timeLeft('fine-tuning', 30, 110)).toBe(80);
  expect(timeLeft('evaluating', 1, 2)).toBeUndefined();
});
