import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ort from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import { writeHead } from '../../../calibration/train/write-head.ts';
import { modelSchema } from '../../../config/model-schema.ts';
import { activationMap, pooledFeatures } from '../../../models/activation.ts';
import { type HeadWeights, hellinger, probabilitiesOf } from '../../../models/head.ts';
import { openInspector } from '../../../models/inspector.ts';
import { manifestText, readHeadManifest } from '../../../models/manifest.ts';
import { describe as describeTensors, graphOutputs } from '../../../models/onnx/graph.ts';
import { decodeModel } from '../../../models/onnx/proto.ts';
import { makePrepare } from '../../../models/prepare/prepare.ts';
import { openSession } from '../../../models/run/session.ts';
import { exportBase, exportModel } from '../../../models/versions/export.ts';
import { openStore } from '../../../models/versions/store.ts';
import { plate } from '../fitted-head.ts';
import { tempFolder } from '../temp-folder.ts';
import { writeTiny } from '../tiny-model.ts';

const model = modelSchema.parse({ provider: 'cpu' });
const pictures = [plate('good', 1), plate('scratch', 2), plate('good', 3)];

async function storedHead(storage: string) {
  await using session = await openSession(model);
  const base = session.facts.manifest;
  const features = [await session.features(pictures[0]!), await session.features(pictures[1]!)];
  const rows = features.map(hellinger);
  const head: HeadWeights = {
    transform: 'hellinger',
    labels: ['good', 'scratch'],
    weights: Float32Array.from([...rows[0]!, ...rows[1]!]),
    bias: Float32Array.of(0.01, -0.01),
    temperature: 0.05,
    exemplars: rows,
  };
  const folder = join(storage, 'new');
  await mkdir(folder, { recursive: true });
  await writeHead(folder, head, { base, createdAt: new Date(), familiar: 0.8 });
  const store = await openStore(storage);
  const version = await store.add(folder);
  await store.promote(version);
  return { head, version };
}

describe('a head with examples', () => {
  test('reports the familiarity of a part, and the exported model gives the answers of the agent', async () => {
    await using folder = await tempFolder();
    const { head, version } = await storedHead(folder.path);
    const file = join(folder.path, 'whole.onnx');
    const exported = await exportModel(model, folder.path, version, file);
    expect(exported.labels).toEqual(head.labels);
    const stated = decodeModel(await readFile(file)).metadataProps;
    expect(stated).toContainEqual({ key: 'licence', value: 'Apache-2.0' });
    expect(exported.licence).toBe('Apache-2.0');

    const whole = await ort.InferenceSession.create(file);
    expect(whole.outputNames).toEqual(['probabilities', 'familiarity']);
    await using inspector = await openInspector({
      model,
      storageDirectory: folder.path,
      onNotice: () => undefined,
    });
    const { input } = inspector.manifest;
    for (const picture of pictures) {
      const judged = await inspector.judge(picture);
      const pixels = makePrepare(input)(picture);
      const answer = await whole.run({
        [input.name]: new ort.Tensor('float32', pixels, [1, 3, input.height, input.width]),
      });
      head.labels.forEach((label, i) => {
        expect(answer.probabilities!.data[i]).toBeCloseTo(judged.probabilities[label]!, 5);
        expect(probabilitiesOf(head, judged.features)[i]).toBeCloseTo(judged.probabilities[label]!, 4);
      });
      expect(answer.familiarity!.data[0]).toBeCloseTo(judged.familiarity!, 5);
      expect(judged.familiarity).toBeLessThan(1.0001);
    }
    // Parts of the training have the maximum familiarity; others have less.
    expect((await inspector.judge(pictures[0]!)).familiarity).toBeCloseTo(1, 4);
    expect((await inspector.judge(pictures[2]!)).familiarity).toBeLessThan(0.9999);
    await whole.release();

    const metadata = new Map(
      decodeModel(await readFile(file)).metadataProps.map(({ key, value }) => [key, value]),
    );
    expect(metadata.get('version')).toBe(version);
    expect(JSON.parse(metadata.get('labels')!)).toEqual(head.labels);
    expect(JSON.parse(metadata.get('input')!)).toMatchObject({ channels: 'RGB', width: 224 });
  });

  test('is refused if its manifest requires familiarity and its graph does not compute it', async () => {
    await using folder = await tempFolder();
    const { head, version } = await storedHead(folder.path);
    const place = join(folder.path, 'models', version);
    const manifest = await readHeadManifest(join(place, 'manifest.json'));
    const { encodeHead } = await import('../../../models/head.ts');
    const bytes = encodeHead({ ...head, exemplars: undefined });
    await writeFile(join(place, 'head.onnx'), bytes);
    manifest.head.sha256 = createHash('sha256').update(bytes).digest('hex');
    await writeFile(join(place, 'manifest.json'), manifestText(manifest));
    await expect(
      openInspector({ model, storageDirectory: folder.path, onNotice: () => undefined }),
    ).rejects.toMatchObject({ code: 'head-damaged', message: expect.stringContaining('familiarity') });
  });

  test('in the shadow it judges the same images, only on request', async () => {
    await using folder = await tempFolder();
    const { version } = await storedHead(folder.path);
    await using inspector = await openInspector({
      model,
      storageDirectory: folder.path,
      onNotice: () => undefined,
    });
    expect((await inspector.judge(pictures[0]!)).shadow).toBeUndefined();
    await inspector.useShadow(version);
    const { shadow, probabilities } = await inspector.judge(pictures[0]!);
    expect(shadow).toMatchObject({ version, probabilities });
    await inspector.useShadow(undefined);
    expect((await inspector.judge(pictures[0]!)).shadow).toBeUndefined();
    await expect(inspector.useShadow('2020-01-01.1')).rejects.toMatchObject({ code: 'version-unknown' });
  });
});

describe('the activation map', () => {
  test('has the score of the label relative to the mean of all labels as its sum', async () => {
    await using folder = await tempFolder();
    const { head } = await storedHead(folder.path);
    await using session = await openSession({ ...model, pooled: true });
    const pooled = await session.pooled(pictures[1]!);
    expect(pooled.map(({ kind, map }) => [kind, map.channels, map.height, map.width])).toEqual([
      ['average', 512, 28, 28],
      ['maximum', 512, 28, 28],
      ['average', 1024, 14, 14],
      ['maximum', 1024, 14, 14],
    ]);
    const { data: heat, ...size } = activationMap(head, pooled, 'scratch');
    expect(size).toEqual({ height: 28, width: 28 });
    const features = await session.features(pictures[1]!);
    expect(pooledFeatures(pooled)[700]).toBeCloseTo(features[700]!, 4);
    const x = hellinger(features);
    const scores = head.labels.map((_, k) =>
      x.reduce((sum, value, d) => sum + (head.weights[k * x.length + d]! * value) / head.temperature, 0),
    );
    const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
    expect(heat.reduce((sum, value) => sum + value, 0)).toBeCloseTo(scores[1]! - mean, 3);
    expect(Math.max(...heat)).toBeGreaterThan(Math.min(...heat));
  });

  test('is refused if the session was opened without the map of the features', async () => {
    await using session = await openSession(model);
    await expect(session.pooled(pictures[0]!)).rejects.toMatchObject({ code: 'why-unavailable' });
  });
});

test.each([
  ['cut inside', {}, 'flat'],
  ['averaged', { features: { tensor: 'stage', pool: 'average', size: 8 } } as const, 'stage/average'],
])('the base for an inference server states its shapes: %s', async (_, changes, output) => {
  await using folder = await tempFolder();
  const base = await writeTiny(folder.path, changes);
  const file = join(folder.path, 'served.onnx');
  const exported = await exportBase({ base, precision: 'auto' }, folder.path, file);
  expect(exported).toMatchObject({ base: 'tiny', input: 'data', output, size: 8 });
  const { graph } = decodeModel(await readFile(file));
  expect(describeTensors(graphOutputs(graph!))).toBe(`${output} [N,8] float32`);
  const served = await ort.InferenceSession.create(file);
  expect(served.outputNames).toEqual([output]);
});
