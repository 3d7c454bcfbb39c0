/** Vision transformers as a base: recognised in the graph, with the class token as features and the patches as maps. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { expect, test } from 'vitest';
import { modelsListCommand } from '../../../agent/cli/models/list.ts';
import { openDataset } from '../../../calibration/dataset/dataset.ts';
import { tune } from '../../../calibration/tune.ts';
import { modelSchema } from '../../../config/model-schema.ts';
import { storageSchema } from '../../../config/schema.ts';
import { trainingSchema } from '../../../config/training-schema.ts';
import { openBase } from '../../../models/base.ts';
import { decodeHead, probabilitiesOf } from '../../../models/head.ts';
import { importBase } from '../../../models/hubs/import.ts';
import { proposeBase } from '../../../models/hubs/onnx/propose.ts';
import { openInspector } from '../../../models/inspector.ts';
import { halfModel } from '../../../models/onnx/half.ts';
import { encodeModel } from '../../../models/onnx/proto.ts';
import { makePrepare } from '../../../models/prepare/prepare.ts';
import { quantizeBase } from '../../../models/quantize/quantize.ts';
import { openSession } from '../../../models/run/session.ts';
import { checkImage } from '../../../models/run/warm-up-check.ts';
import { openStore } from '../../../models/versions/store.ts';
import { spottedPlate } from '../../calibration/spotted-plate.ts';
import { tempFolder } from '../temp-folder.ts';
import { tinyVit, type VitOptions } from '../tiny-vit.ts';
import { pooledDifference, run } from './fixtures.ts';

const channels = 16;
const preprocessor = {
  crop_size: { height: 56, width: 56 },
  size: { shortest_edge: 64 },
  do_normalize: true,
  image_mean: [0.485, 0.456, 0.406],
  image_std: [0.229, 0.224, 0.225],
};

/** With the folders of a repository of onnx-community. */
async function repository(folder: string, options: VitOptions = {}): Promise<string> {
  await mkdir(join(folder, 'tiny-vit', 'onnx'), { recursive: true });
  await writeFile(join(folder, 'tiny-vit', 'preprocessor_config.json'), JSON.stringify(preprocessor));
  const path = join(folder, 'tiny-vit', 'onnx', 'model.onnx');
  await writeFile(path, encodeModel(tinyVit(options)));
  return path;
}

test.each([
  ['with a class token', {}, 1],
  ['with registers', { registers: 4 }, 5],
  ['of fixed size, patches of 8', { free: false, patch: 8 }, 1],
] as const)('%s: its features are the class token, its maps the patches', async (_, options, before) => {
  await using folder = await tempFolder();
  const path = await repository(folder.path, options);
  const { patch = 14 } = options as VitOptions;
  const { model, input, features, maps, network } = await proposeBase(path);
  const size = { width: 56, height: 56 };
  expect(input).toMatchObject({ name: 'pixel_values', ...size, mean: preprocessor.image_mean });
  expect(network).toBe(`vision transformer, patches of ${patch}×${patch} pixels`);
  expect(maps.map(({ stride }) => stride)).toEqual([patch / 2, patch]);

  const values = makePrepare(input)(checkImage(56, 56));
  const exact = await InferenceSession.create(Buffer.from(encodeModel(tinyVit(options))));
  const tensor = new Tensor('float32', Float32Array.from(values), [1, 3, 56, 56]);
  const { last_hidden_state: tokens } = await exact.run({ pixel_values: tensor });
  const token = (t: number) => (tokens!.data as Float32Array).subarray(t * channels, (t + 1) * channels);
  const side = 56 / patch;
  expect(tokens!.dims).toEqual([1, before + side ** 2, channels]);
  const found = await run(
    model,
    input.name,
    maps.map(({ tensor: map }) => map),
    values,
    size,
  );
  expect([...found.get(features.tensor)!.data]).toEqual([...token(0)]);

  const [stage2, stage3] = maps.map((map) => found.get(map.tensor)!);
  expect(stage3!.dims).toEqual([1, 2 * channels, side, side]);
  expect(stage2!.dims).toEqual([1, 2 * channels, 2 * side, 2 * side]);
  const at = ({ data }: { data: Float32Array }, c: number, y: number, x: number, width: number) =>
    data[(c * width + y) * width + x]!;
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const own = token(before + y * side + x);
      for (let c = 0; c < channels; c++) {
        const [positive, negative] = [c, channels + c].map((k) => at(stage3!, k, y, x, side));
        expect(positive! - negative!).toBe(own[c]);
        expect(Math.min(positive!, negative!)).toBe(0);
        const cell = at(stage2!, c, 2 * y, 2 * x, 2 * side);
        for (const [dy, dx] of [
          [0, 1],
          [1, 0],
          [1, 1],
        ] as const)
          expect(at(stage2!, c, 2 * y + dy, 2 * x + dx, 2 * side)).toBe(cell);
      }
    }
  }
  // A different layer.
  expect(at(stage2!, 0, 0, 0, 2 * side)).not.toBe(at(stage3!, 0, 0, 0, side));
});

test('a classifier is cut off before the class token is chosen', async () => {
  await using folder = await tempFolder();
  const [whole, classifier] = [join(folder.path, 'a'), join(folder.path, 'b')];
  const proposals = [
    await proposeBase(await repository(whole)),
    await proposeBase(await repository(classifier, { classes: 5 })),
  ];
  const values = makePrepare(proposals[0]!.input)(checkImage(56, 56));
  const [exact, found] = await Promise.all(
    proposals.map(async ({ model, features }) => {
      const answers = await run(model, 'pixel_values', [], values, { width: 56, height: 56 });
      return [...answers.get(features.tensor)!.data];
    }),
  );
  expect(found).toEqual(exact);
});

test('one in float16 is converted', async () => {
  await using folder = await tempFolder();
  const path = await repository(folder.path);
  const exact = await proposeBase(path);
  await writeFile(path, encodeModel(halfModel(tinyVit())));
  const half = await proposeBase(path);
  const values = makePrepare(exact.input)(checkImage(56, 56));
  const [a, b] = await Promise.all(
    [exact, half].map(async ({ model, features }) => {
      const answers = await run(model, 'pixel_values', [], values, { width: 56, height: 56 });
      return answers.get(features.tensor)!.data;
    }),
  );
  expect(half.maps).toHaveLength(2);
  expect(pooledDifference([...a!], b!)).toBeLessThan(0.02);
});

test('sizes that are not multiples of the patch size are refused', async () => {
  await using folder = await tempFolder();
  const path = await repository(folder.path);
  await expect(proposeBase(path, { size: { width: 64, height: 56 } })).rejects.toMatchObject({
    code: 'model-mismatch',
    message: expect.stringContaining('patches of 14×14 pixels, which 64×56 is not a multiple of'),
    remedy: 'set --size to multiples of 14',
  });
  // Its position embeddings are those of 56×56.
  await expect(proposeBase(path, { size: { width: 112, height: 112 } })).rejects.toMatchObject({
    code: 'model-unsupported',
    message: expect.stringContaining('onnxruntime cannot run'),
  });
});

test('it is imported with its cost, can be trained and judges, and is refused in int8', async () => {
  await using folder = await tempFolder();
  const storage = folder.path;
  await repository(storage);
  const { manifest, file } = await importBase({
    path: join(storage, 'tiny-vit'),
    storageDirectory: storage,
    features: 'last',
  });
  expect(manifest).toMatchObject({ name: 'tiny-vit', licence: 'not stated', features: { size: channels } });
  expect(manifest.cost).toBeGreaterThan(0);
  const { text } = await modelsListCommand({
    model: modelSchema.parse({}),
    storage: storageSchema.parse({ directory: storage }),
  });
  expect(text).toMatch(
    /^ {2}tiny-vit +16 features {2}vision transformer, patches of 14×14 pixels \(not ResNet\) {2}[\d.]+ × the time/m,
  );

  await using dataset = await openDataset(storage, { onNotice: () => undefined });
  for (const [k, label] of (['good', 'stain'] as const).entries()) {
    for (let i = 0; i < 8; i++) {
      const { image, x, y } = spottedPlate(label, 1_000 * k + i);
      const shapes = label === 'good' ? [] : [{ kind: 'point' as const, label, x, y }];
      await dataset.add({
        image,
        label,
        by: 'test',
        partId: `${label}-${i}`,
        marks: { shapes, source: 'test' },
      });
    }
  }
  const model = modelSchema.parse({ base: 'tiny-vit', provider: 'cpu' });
  const { version, report } = await tune(
    {
      model,
      labels: { good: ['good'] },
      thresholds: { pass: 0.7, fail: 0.6 },
      storage: storageSchema.parse({ directory: storage, evidenceQuotaMb: 0 }),
      training: trainingSchema.parse({ views: 'none' }),
    },
    { by: 'test' },
    { onNotice: () => undefined, onProgress: () => undefined },
  );
  expect(report.places?.tried.map(({ way }) => way)).toContain('places');
  const store = await openStore(storage);
  await store.promote(version);
  const head = decodeHead((await store.read(version)).model, ['good', 'stain'])!;
  await using session = await openSession({ ...model, storageDirectory: storage });
  await using inspector = await openInspector({
    model,
    storageDirectory: storage,
    onNotice: () => undefined,
  });
  const pictures = Array.from({ length: 8 }, (_, i) => spottedPlate('stain', 20 + i).image);
  for (const image of pictures) {
    const { features, maps } = await session.maps(image);
    const exact = probabilitiesOf(head, features, maps)[1]!;
    expect((await inspector.judge(image)).probabilities.stain).toBeCloseTo(exact, 5);
  }

  const int8 = quantizeBase(
    await openBase({ base: file, precision: 'auto' }),
    pictures.map((image) => async () => image),
    { threads: 1, method: 'best', source: 'test', revision: null, onProgress: () => undefined },
  );
  await expect(int8).rejects.toMatchObject({
    code: 'quantize-impossible',
    message: expect.stringContaining('tiny-vit is a vision transformer'),
  });
}, 60_000);
