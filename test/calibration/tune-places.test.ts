import { join } from 'node:path';
import ort from 'onnxruntime-node';
import { expect, it } from 'vitest';
import { openDataset } from '../../calibration/dataset/dataset.ts';
import { tune } from '../../calibration/tune.ts';
import { modelSchema } from '../../config/model-schema.ts';
import { storageSchema } from '../../config/schema.ts';
import { trainingSchema } from '../../config/training-schema.ts';
import { openBase } from '../../models/base.ts';
import { decodeHead, probabilitiesOf, whereOf } from '../../models/head.ts';
import { openInspector } from '../../models/inspector.ts';
import { makePrepare } from '../../models/prepare/prepare.ts';
import { quantizeBase } from '../../models/quantize/quantize.ts';
import { keepVariant } from '../../models/quantize/variants.ts';
import { openSession } from '../../models/run/session.ts';
import { exportModel } from '../../models/versions/export.ts';
import { openStore } from '../../models/versions/store.ts';
import { tempFolder } from '../models/temp-folder.ts';
import { plateSide, writePlateBase } from './plate.ts';
import { spottedPlate } from './spotted-plate.ts';

const labels = ['good', 'stain'] as const;

async function label(storage: string, count: number, from = 0): Promise<void> {
  await using dataset = await openDataset(storage, { onNotice: () => undefined });
  for (const [k, label] of labels.entries()) {
    for (let i = from; i < from + count; i++) {
      const { image, x, y } = spottedPlate(label, 1_000 * k + i);
      const shapes = label === 'good' ? [] : [{ kind: 'point' as const, label, x, y }];
      const partId = `${label}-${i}`;
      await dataset.add({ image, label, by: 'test', partId, marks: { shapes, source: 'test' } });
    }
  }
}

it('learns places from marks, and uses them in every form of the head', async () => {
  await using folder = await tempFolder();
  const storage = folder.path;
  const { base, input } = await writePlateBase(storage);
  await label(storage, 10);
  const notices: string[] = [];
  const steps = new Set<string>();
  const train = () =>
    tune(
      {
        model: modelSchema.parse({ base, provider: 'cpu' }),
        labels: { good: ['good'] },
        thresholds: { pass: 0.7, fail: 0.6 },
        storage: storageSchema.parse({ directory: storage, evidenceQuotaMb: 0 }),
        training: trainingSchema.parse({ views: 'none' }),
      },
      { by: 'test' },
      { onNotice: (text) => notices.push(text), onProgress: (step) => steps.add(step) },
    );
  const { version, report } = await train();
  expect(steps).toContain('learning where defects are');
  expect(report.places).toMatchObject({ marked: 10, guessed: 0 });
  expect(report.places?.tried.map(({ way, window }) => `${way} ${window}`)).toEqual([
    'features 0',
    'places 3',
    'places 5',
  ]);
  // The spots of good parts are at random places.
  expect(report.goodParts).toMatchObject({ used: false, parts: 10, defects: 10 });
  const chosen = report.places?.tried.find((one) => one.chosen);
  expect(chosen).toMatchObject({ way: 'places', accuracy: report.accuracy });
  expect(report.places?.sentence).toMatch(
    /^it uses the whole image and single places, learned from 10 parts with marks: \d/,
  );

  const store = await openStore(storage);
  await store.promote(version);
  const { manifest, model } = await store.read(version);
  expect(manifest.training).toMatchObject({
    inputs: 'features, stage2, stage3',
    places: 'evidence',
    window: chosen?.window,
  });
  expect(manifest.where).toBeGreaterThan(0);
  const head = decodeHead(model, manifest.labels)!;
  const options = { storageDirectory: storage, onNotice: (text: string) => notices.push(text) };
  const config = modelSchema.parse({ base, provider: 'cpu' });
  const file = join(storage, 'whole.onnx');
  await exportModel(config, storage, version, file);
  const whole = await ort.InferenceSession.create(file);
  const pictures = Array.from({ length: 8 }, (_, i) => spottedPlate('stain', 20 + i).image);
  const quantized = await quantizeBase(
    await openBase({ base, precision: 'auto' }),
    pictures.map((image) => async () => image),
    {
      threads: 1,
      method: 'minmax',
      source: 'test',
      revision: null,
      onProgress: () => undefined,
    },
  );
  await keepVariant(storage, quantized);
  await using session = await openSession({ ...config, base, storageDirectory: storage, precision: 'fp32' });
  await using inspector = await openInspector({ model: { ...config, precision: 'fp32' }, ...options });
  await using inLevels = await openInspector({ model: { ...config, precision: 'int8' }, ...options });
  for (const image of pictures) {
    const { features, maps } = await session.maps(image);
    const exact = probabilitiesOf(head, features, maps)[1]!;
    const pixels = new ort.Tensor('float32', makePrepare(input)(image), [1, 3, plateSide, plateSide]);
    const judged = await inspector.judge(image);
    const exported = await whole.run({ data: pixels });
    expect(judged.probabilities.stain).toBeCloseTo(exact, 5);
    expect(exported.probabilities!.data[1]).toBeCloseTo(exact, 5);
    expect(exported.familiarity!.data[0]).toBeCloseTo(judged.familiarity!, 5);
    const found = whereOf(head, maps)!;
    expect(judged.where).toMatchObject({ height: 6, width: 6 });
    expect(exported.where!.dims).toEqual([1, 6, 6]);
    for (const [p, value] of found.entries()) {
      expect(judged.where!.data[p]).toBeCloseTo(value, 4);
      expect(exported.where!.data[p]).toBeCloseTo(value, 4);
    }
    expect(Math.abs((await inLevels.judge(image)).probabilities.stain! - exact)).toBeLessThan(0.1);
  }
  await whole.release();

  // Parts unknown to the active head are judged with their maps.
  await label(storage, 1, 30);
  const again = await train();
  expect(again.report.active?.version).toBe(version);
  expect(notices).toEqual([]);
}, 120_000);
