import { expect, it } from 'vitest';
import { openDataset } from '../../calibration/dataset/dataset.ts';
import { tune } from '../../calibration/tune.ts';
import { modelSchema } from '../../config/model-schema.ts';
import { storageSchema } from '../../config/schema.ts';
import { trainingSchema } from '../../config/training-schema.ts';
import type { Image } from '../../models/image.ts';
import { openInspector } from '../../models/inspector.ts';
import { type Decision, decide } from '../../models/verdict.ts';
import { exportModel } from '../../models/versions/export.ts';
import { openStore } from '../../models/versions/store.ts';
import { tempFolder } from '../models/temp-folder.ts';
import { writeTiny } from '../models/tiny-model.ts';
import { plate, writePlateBase } from './plate.ts';

async function label(storage: string, label: 'good' | 'stain', count: number, from = 0): Promise<void> {
  await using dataset = await openDataset(storage, { onNotice: () => undefined });
  for (let i = from; i < from + count; i++) {
    const image = plate(label, i);
    await dataset.add({ image, label, by: 'test', partId: `${label}-${i}` });
  }
}

const train = (storage: string, base: string) =>
  tune(
    {
      model: modelSchema.parse({ base, provider: 'cpu' }),
      labels: { good: ['good'] },
      thresholds: { pass: 0.7, fail: 0.6 },
      storage: storageSchema.parse({ directory: storage, evidenceQuotaMb: 0 }),
      training: trainingSchema.parse({ views: 'none' }),
    },
    { by: 'test' },
    { onNotice: () => undefined, onProgress: () => undefined },
  );

it('learns from good parts alone which parts not to pass', async () => {
  await using folder = await tempFolder();
  const storage = folder.path;
  const { base } = await writePlateBase(storage);
  await label(storage, 'good', 7);
  await label(storage, 'stain', 1);
  await expect(train(storage, base)).rejects.toMatchObject({
    code: 'training-impossible',
    message:
      'a model version for good parts only needs 10 of them, and there are 7: 3 more; one that knows defects needs 4 of each label: stain has 1',
  });

  await label(storage, 'good', 5, 7);
  const first = await train(storage, base);
  expect(first.report).toMatchObject({
    goodOnly: { parts: 12, defects: [{ label: 'stain', count: 1, heldBack: 1 }] },
    gate: { allowed: true },
    promised: false,
    falseRejects: { wrong: 0, of: 12 },
    escapes: { wrong: 0, of: 1 },
  });
  expect(first.report.promise[0]!.text).toContain(
    '12 good parts are not enough to show that at most 5 % of good parts are uncertain: at least 47 more are needed',
  );
  const store = await openStore(storage);
  await store.promote(first.version);

  // Verdicts of the agent for new parts.
  const model = modelSchema.parse({ base, provider: 'cpu' });
  const deps = { model, storageDirectory: storage, onNotice: () => undefined };
  const verdictsOf = async (parts: readonly Image[]) => {
    await using inspector = await openInspector(deps);
    const { familiar, scoreLimit } = inspector.rulesOf(inspector.model.version);
    const rules = { thresholds: { pass: 0.7, fail: 0.6 }, familiar, scoreLimit, good: ['good'] };
    const decisions = [];
    for (const part of parts) {
      const { probabilities, familiarity } = await inspector.judge(part);
      decisions.push(decide([probabilities], rules, [familiarity]));
    }
    return decisions;
  };
  const parts = (of: 'good' | 'stain') => Array.from({ length: 10 }, (_, i) => plate(of, 5_000 + i));
  const good = await verdictsOf(parts('good'));
  expect(good.filter(({ verdict }) => verdict === 'pass').length).toBeGreaterThan(6);
  expect(good.some(({ verdict }) => verdict === 'fail')).toBe(false);
  const stains = await verdictsOf(parts('stain'));
  expect(stains.map(({ verdict }) => verdict)).toEqual(stains.map(() => 'uncertain'));
  expect(stains[0]!.reasons[0]).toMatch(/^unlike the good parts \(score \d+\.\d\d, limit \d+\.\d\d\)$/);

  const exported = await exportModel(model, storage, first.version, `${storage}/whole.onnx`);
  expect(exported.labels).toEqual(['good']);

  // Compared with itself it is at least as good.
  await label(storage, 'good', 2, 12);
  const second = await train(storage, base);
  expect(second.report.gate).toMatchObject({ allowed: true });
  expect(second.report.gate.reason).toMatch(/^it is at least as good: of 14 good parts/);

  // The head with the first defects still passes no part unlike the good ones.
  const dark = Array.from({ length: 10 }, (_, i) => withDarkSquare(plate('good', 6_000 + i), i));
  const isHeldBack = ({ verdict }: Decision) => verdict === 'uncertain';
  expect((await verdictsOf(dark)).filter(isHeldBack)).toHaveLength(10);
  await label(storage, 'stain', 6, 1);
  const third = await train(storage, base);
  expect(third.report.goodParts).toMatchObject({ used: true, parts: 14, detected: 7, defects: 7 });
  await store.promote(third.version);
  expect((await verdictsOf(parts('stain'))).every(({ verdict }) => verdict === 'fail')).toBe(true);
  expect((await verdictsOf(parts('good'))).some(({ verdict }) => verdict === 'pass')).toBe(true);
  const later = await verdictsOf(dark);
  expect(later.filter(({ verdict }) => verdict === 'pass')).toEqual([]);
  expect(later.map(({ reasons }) => reasons[0])).toContainEqual(expect.stringContaining('unfamiliar'));
}, 60_000);

function withDarkSquare({ data, ...size }: Image, seed: number): Image {
  const changed = Uint8Array.from(data);
  const [left, top] = [8 + 5 * seed, 60 - 5 * seed];
  for (let y = top; y < top + 24; y++) {
    for (let x = left; x < left + 24; x++)
      changed.fill(5, (y * size.width + x) * 3, (y * size.width + x + 1) * 3);
  }
  return { ...size, data: changed };
}

it('reports what is missing: maps of the base, or different parts', async () => {
  await using folder = await tempFolder();
  const storage = folder.path;
  await label(storage, 'good', 10);
  await expect(train(storage, await writeTiny(storage))).rejects.toMatchObject({
    code: 'training-impossible',
    message: expect.stringContaining('which has no feature maps of stages 2 and 3'),
  });
  await using other = await tempFolder();
  await using dataset = await openDataset(other.path, { onNotice: () => undefined });
  for (let i = 0; i < 12; i++) {
    await dataset.add({ image: plate('good', i), label: 'good', by: 'test', partId: `part-${i % 4}` });
  }
  await expect(train(other.path, (await writePlateBase(other.path)).base)).rejects.toMatchObject({
    message: 'the 12 good frames show 4 different parts, 10 are needed: 6 more',
  });
});
