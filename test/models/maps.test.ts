import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import ort from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import { modelSchema } from '../../config/model-schema.ts';
import { embeddedBases, openBase } from '../../models/base.ts';
import { projectedCells } from '../../models/good-memory.ts';
import { probabilitiesFrom } from '../../models/head.ts';
import { openInspector } from '../../models/inspector.ts';
import { readBaseManifest } from '../../models/manifest.ts';
import { floatValues, node, valueInfo } from '../../models/onnx/build.ts';
import { findMaps } from '../../models/onnx/maps.ts';
import { changed, decodeModel, type OnnxModel } from '../../models/onnx/proto.ts';
import { makePrepare } from '../../models/prepare/prepare.ts';
import { halveBase } from '../../models/quantize/half.ts';
import { quantizeBase } from '../../models/quantize/quantize.ts';
import { keepVariant } from '../../models/quantize/variants.ts';
import type { FeatureMap, FeatureMaps } from '../../models/run/runner.ts';
import { openSession } from '../../models/run/session.ts';
import { exportModel } from '../../models/versions/export.ts';
import { storeHead } from './fitted-head.ts';
import { formulaImage } from './formula-image.ts';
import { tempFolder } from './temp-folder.ts';
import { mappedWeights, storeMappedHead, tinyMapped, writeMapped } from './tiny-mapped.ts';
import { tinyClassifier, writeTiny } from './tiny-model.ts';

const on = { precision: 'auto', provider: 'cpu', threads: 1 } as const;
const images = Array.from({ length: 12 }, (_, i) => formulaImage(40 + i, 40));
const nchw = { name: 'data', layout: 'NCHW' } as const;
const found = [
  { tensor: 'two', stride: 8, channels: 8 },
  { tensor: 'three', stride: 16, channels: 6 },
];

describe('maps are found in a graph', () => {
  test('those of the embedded base are the ones in its manifest', async () => {
    const manifest = await readBaseManifest(join(embeddedBases, 'resnet50-embedded.json'));
    const { graph } = decodeModel(await readFile(join(embeddedBases, manifest.file)));
    expect(findMaps(graph!, manifest.input)).toEqual(manifest.maps);
  });

  test('at the end of a stage, not inside the block that follows', () => {
    expect(findMaps(tinyMapped().graph!, nchw)).toEqual(found);
  });

  test('after a transposition, if the input of the graph is [N,H,W,C]', () => {
    const { graph } = tinyMapped();
    const first = node('Transpose', ['pixels'], ['data'], { perm: [0, 3, 1, 2] });
    const turned = changed(graph!, { node: [first, ...graph!.node] });
    expect(findMaps(turned, { name: 'pixels', layout: 'NHWC' })).toEqual(found);
  });

  test('not in a network that never reaches stride 16', () => {
    expect(findMaps(tinyClassifier().graph!, nchw)).toEqual([]);
  });
});

/** The expected result of the head of `storeMappedHead`. */
function expected(features: Float32Array, { stage2, stage3 }: FeatureMaps): number[] {
  const largest = cellsOf(stage2!);
  const cells = cellsOf(stage3!);
  const all = [
    ...features,
    ...Array.from({ length: 8 }, (_, c) => Math.max(...largest.filter((_, i) => i % 8 === c))),
    ...Array.from({ length: 6 }, (_, c) =>
      cells.reduce((sum, value, i) => sum + (i % 6 === c ? value / 4 : 0), 0),
    ),
  ];
  const w = floatValues(mappedWeights);
  return probabilitiesFrom(
    [0, 1].map((row) => all.reduce((sum, value, i) => sum + value * w[row * 42 + i]!, 0)),
    { temperature: 1 },
  );
}

describe('a session', () => {
  test('gives maps and features of one run, with the same features as without maps', async () => {
    await using folder = await tempFolder();
    const base = await writeMapped(folder.path);
    await using session = await openSession({ ...on, base, storageDirectory: folder.path });
    expect(session.facts.maps).toEqual([
      { name: 'stage2', channels: 8, height: 4, width: 4 },
      { name: 'stage3', channels: 6, height: 2, width: 2 },
    ]);
    const plain = await session.features(images[0]!);
    const { features, maps } = await session.maps(images[0]!);
    features.forEach((value, i) => {
      expect(value).toBeCloseTo(plain[i]!, 4);
    });
    const rows = cellsOf(maps.stage2!);
    const average = [0, 1].map((c) =>
      rows.reduce((sum, value, i) => sum + (i % 8 === c ? value / 16 : 0), 0),
    );
    expect(average[0]).toBeCloseTo(features[0]!, 4);
    expect(average[1]).toBeCloseTo(features[1]!, 4);
    const second = Float32Array.of(0, 1, 0, 0, 0, 0, 0, 0);
    expect(projectedCells(maps.stage2!, second)).toEqual(rows.filter((_, i) => i % 8 === 1));
  });

  test('of a base without maps reports that', async () => {
    await using folder = await tempFolder();
    await using session = await openSession({ ...on, base: await writeTiny(folder.path) });
    expect(session.facts.maps).toEqual([]);
    await expect(session.maps(images[0]!)).rejects.toMatchObject({ code: 'maps-unavailable' });
  });

  test('refuses maps that differ from the manifest', async () => {
    await using folder = await tempFolder();
    const maps = [{ tensor: 'two', stride: 16 as const, channels: 8 }];
    await using session = await openSession({ ...on, base: await writeMapped(folder.path, { maps }) });
    await expect(session.maps(images[0]!)).rejects.toMatchObject({
      code: 'model-mismatch',
      message: expect.stringContaining('the map stage3 is [8,4,4], expected [8,2,2]'),
    });
    const absent = [{ tensor: 'four', stride: 8 as const, channels: 8 }];
    const base = await writeMapped(folder.path, { maps: absent });
    await expect(openBase({ base, precision: 'auto' })).rejects.toMatchObject({ code: 'model-mismatch' });
  });
});

describe('a head over features and maps', () => {
  test('judges together with a head over features alone, and exported with its base as one file', async () => {
    await using folder = await tempFolder();
    const storageDirectory = folder.path;
    const base = await writeMapped(folder.path);
    const model = modelSchema.parse({ base, provider: 'cpu' });
    await using session = await openSession({ ...on, base, storageDirectory });
    const { manifest } = session.facts;
    const plain = await storeHead(folder.path, manifest, (image) => session.features(image));
    const version = await storeMappedHead(folder.path, manifest);
    await using inspector = await openInspector({ model, storageDirectory, onNotice: () => undefined });
    expect((await inspector.judge(images[1]!)).version).toBe(plain);
    await inspector.useShadow(version);
    const answers = await Promise.all(images.map((image) => inspector.judge(image)));
    await inspector.swapHead(version);
    const file = join(folder.path, 'whole.onnx');
    await exportModel(model, folder.path, version, file);
    const whole = await ort.InferenceSession.create(file);
    for (const [i, image] of images.entries()) {
      const { features, maps } = await session.maps(image);
      const [good] = expected(features, maps);
      expect(answers[i]!.version).toBe(plain);
      expect(answers[i]!.shadow?.probabilities.good).toBeCloseTo(good!, 4);
      const judged = await inspector.judge(image);
      expect(judged.version).toBe(version);
      expect(judged.probabilities.good).toBeCloseTo(good!, 4);
      const pixels = new ort.Tensor('float32', makePrepare(manifest.input)(image), [1, 3, 32, 32]);
      const { probabilities } = await whole.run({ data: pixels });
      expect(probabilities!.data[0]).toBeCloseTo(good!, 4);
    }
    await whole.release();
  });

  test('is refused by a base without maps', async () => {
    await using folder = await tempFolder();
    const base = await writeTiny(folder.path);
    const model = modelSchema.parse({ base, provider: 'cpu' });
    await using inspector = await openInspector({
      model,
      storageDirectory: folder.path,
      onNotice: () => undefined,
    });
    const version = await storeMappedHead(folder.path, inspector.manifest);
    await expect(inspector.swapHead(version)).rejects.toMatchObject({ code: 'maps-unavailable' });
  });
});

describe('in other precisions', () => {
  const watch = { threads: 1, onProgress: () => undefined };
  const pictures = images.map((image) => async () => image);

  /** Largest difference between the maps of a variant and of the float base, relative to the largest value. */
  async function apart(base: string, storageDirectory: string, precision: 'int8' | 'fp16'): Promise<number> {
    await using float = await openSession({ ...on, base });
    await using variant = await openSession({ ...on, base, storageDirectory, precision });
    expect(variant.facts.maps).toEqual(float.facts.maps);
    const [exact, changed] = [await float.maps(images[5]!), await variant.maps(images[5]!)];
    return Math.max(
      ...(['stage2', 'stage3'] as const).map((name) => {
        const [a, b] = [exact.maps[name]!.data, changed.maps[name]!.data];
        const largest = a.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0) / largest;
      }),
    );
  }

  test('int8 gives them, and its gate compares them', async () => {
    await using folder = await tempFolder();
    const base = await writeMapped(folder.path);
    const made = await quantizeBase(await openBase({ base, precision: 'auto' }), pictures, {
      ...watch,
      method: 'minmax',
      source: 'test',
      revision: null,
    });
    expect(made.report.quantization.maps).toEqual({
      stage2: expect.closeTo(1, 1),
      stage3: expect.closeTo(1, 1),
    });
    expect(made.report.passed).toBe(true);
    await keepVariant(folder.path, made);
    expect(await apart(base, folder.path, 'int8')).toBeLessThan(0.1);
  });

  test('fp16 gives them in float32', async () => {
    await using folder = await tempFolder();
    const base = await writeMapped(folder.path);
    const made = await halveBase(await openBase({ base, precision: 'auto' }), pictures.slice(0, 2), watch);
    expect(made.refusal).toBeUndefined();
    await keepVariant(folder.path, made);
    expect(await apart(base, folder.path, 'fp16')).toBeLessThan(0.01);
  });
});

test('a map keeps its name although folding would remove it', async () => {
  await using folder = await tempFolder();
  const { graph, ...model } = tinyMapped();
  const identity = node('Identity', ['two'], ['kept']);
  const at = graph!.node.findIndex(({ output }) => output[0] === 'two') + 1;
  const named: OnnxModel = {
    ...model,
    graph: changed(graph!, {
      node: [...graph!.node.slice(0, at), identity, ...graph!.node.slice(at)],
      output: [valueInfo('features', ['N', 28])],
    }),
  };
  const maps = [{ tensor: 'kept', stride: 8 as const, channels: 8 }];
  const base = await openBase({
    base: await writeMapped(folder.path, { maps }, named),
    precision: 'auto',
  });
  const made = await halveBase(base, [async () => images[0]!], { threads: 1, onProgress: () => undefined });
  expect(made.refusal).toBeUndefined();
});

/** The cells of a map as rows: [cells][channels], row-major; cell y·width + x. */
function cellsOf({ data, channels }: FeatureMap): Float32Array {
  const cells = data.length / channels;
  const rows = new Float32Array(data.length);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < cells; i++) rows[i * channels + c] = data[c * cells + i]!;
  }
  return rows;
}
