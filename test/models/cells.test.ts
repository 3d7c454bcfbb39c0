import { createHash } from 'node:crypto';
import ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../calibration/train/random.ts';
import { activationMap, pooledFeatures } from '../../models/activation.ts';
import {
  areaOf,
  attended,
  type CellBlock,
  cellsOfMaps,
  deviationsOf,
  spotAt,
  windowed,
} from '../../models/cells.ts';
import {
  decodeHead,
  encodeHead,
  type HeadWeights,
  hellinger,
  probabilitiesOf,
  product,
  requireHeadGraph,
  whereOf,
} from '../../models/head.ts';
import type { HeadManifest } from '../../models/manifest.ts';
import { withoutNeedlessMaps } from '../../models/onnx/without-maps.ts';
import type { FeatureMap } from '../../models/run/runner.ts';

const labels = ['dent', 'good', 'scratch'];
const sizes = {
  stage2: { channels: 5, height: 9, width: 12 },
  stage3: { channels: 7, height: 5, width: 6 },
};
const size = 9;
const channels = 12;

function randomValues(seed: number, length: number, least = 0, most = 1): Float32Array {
  const random = seededRandom(seed);
  return Float32Array.from({ length }, () => random.between(least, most));
}

function map(seed: number, { channels, height, width }: CellBlock['maps']['stage2']): FeatureMap {
  return { channels, height, width, data: randomValues(seed, channels * height * width, -0.2, 1) };
}

const evidence = {
  by: 'evidence',
  weights: randomValues(1, channels, -1, 1),
  bias: 0.3,
  sharpness: 3,
} as const;

function headWith(look: CellBlock['look'], window: number): HeadWeights {
  const inner = size + channels;
  return {
    transform: 'hellinger',
    labels,
    cells: { maps: sizes, window, look, mean: randomValues(2, channels) },
    weights: randomValues(3, labels.length * inner, -2, 2),
    bias: randomValues(4, labels.length),
    temperature: 1,
    exemplars: [randomValues(5, size), randomValues(6, size)],
  };
}

function featuresAlone(): HeadWeights {
  const { cells: _, ...head } = headWith(evidence, 3);
  return { ...head, weights: randomValues(7, labels.length * size) };
}

function feedsOf(features: Float32Array, { stage2, stage3 }: Record<'stage2' | 'stage3', FeatureMap>) {
  const tensor = ({ data, channels, height, width }: FeatureMap) =>
    new ort.Tensor('float32', data, [1, channels, height, width]);
  return {
    features: new ort.Tensor('float32', features, [1, size]),
    stage2: tensor(stage2),
    stage3: tensor(stage3),
  };
}

const mapsGiven = (['stage2', 'stage3'] as const).map((name) => ({ name, ...sizes[name] }));

function headManifest(): HeadManifest {
  return {
    schema: 2,
    version: '2026-11-30.1',
    base: { name: 'randomValues', sha256: '0'.repeat(64), features: 'features' },
    labels: [...labels],
    where: 3,
    head: { file: 'head.onnx', sha256: '0'.repeat(64) },
    temperature: 1,
    createdAt: '2026-11-30T12:00:00.000Z',
    training: {},
  };
}

describe('a head that looks at places', () => {
  it.each([
    ['by evidence', headWith(evidence, 3)],
    ['by evidence, in wide windows', headWith(evidence, 5)],
    ['at a spot', headWith(spotAt(sizes.stage3, { x: 0.45, y: 0.6 }), 3)],
    ['at a spot in a corner', headWith(spotAt(sizes.stage3, { x: 1, y: 0 }), 7)],
    ['at a spot of a single cell', headWith(spotAt(sizes.stage3, { x: 0.25, y: 0.5 }), 5)],
    ['with limited probabilities', { ...headWith(evidence, 3), doubt: 0.03125 * (labels.length - 1) }],
  ])('gives the same result in onnxruntime and here, and can be read again: %s', async (_, head) => {
    const bytes = encodeHead(head);
    const read = decodeHead(bytes, labels);
    const session = await ort.InferenceSession.create(bytes);
    expect(session.inputNames).toEqual(['features', 'stage2', 'stage3']);
    for (let seed = 10; seed < 15; seed++) {
      const features = randomValues(seed, size, -1, 1);
      const maps = { stage2: map(seed + 100, sizes.stage2), stage3: map(seed + 200, sizes.stage3) };
      const { probabilities } = await session.run(feedsOf(features, maps));
      const computed = probabilitiesOf(head, features, maps);
      computed.forEach((value, k) => {
        expect(probabilities!.data[k]).toBeCloseTo(value, 5);
      });
      expect(probabilitiesOf(read!, features, maps)).toEqual(computed);
    }
    await session.release();
  });

  it('has no probability above its limit, however clear the scores are', async () => {
    const head = { ...featuresAlone(), temperature: 1e-4, doubt: 0.02 };
    const session = await ort.InferenceSession.create(encodeHead(head));
    for (let seed = 10; seed < 15; seed++) {
      const features = new ort.Tensor('float32', randomValues(seed, size, -1, 1), [1, size]);
      const { probabilities } = await session.run({ features });
      const values = [...(probabilities!.data as Float32Array)];
      expect(Math.max(...values)).toBeCloseTo(0.98, 5);
      expect(values.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
    }
    await session.release();
  });

  const detector = { maps: sizes, window: 3, weights: randomValues(8, channels, -1, 1), bias: -0.2 };
  it.each([
    ['that also judges places', headWith(evidence, 3), { maps: sizes, ...evidence, window: 3 }],
    ['of its own', headWith(evidence, 5), detector],
    [
      'around its spot',
      headWith(spotAt(sizes.stage3, { x: 0.45, y: 0.6 }), 5),
      { ...detector, within: areaOf(spotAt(sizes.stage3, { x: 0.45, y: 0.6 }), 3, sizes.stage3) },
    ],
    ['although it judges by features alone', featuresAlone(), { ...detector, window: 1 }],
    ['in windows, although it judges by features alone', featuresAlone(), detector],
  ])('locates with the detector %s', async (_, head, where) => {
    const telling = { ...head, where };
    const bytes = encodeHead(telling);
    requireHeadGraph(bytes, headManifest(), { size, maps: mapsGiven });
    const read = decodeHead(bytes, labels)!;
    const session = await ort.InferenceSession.create(bytes);
    for (let seed = 10; seed < 13; seed++) {
      const features = randomValues(seed, size, -1, 1);
      const maps = { stage2: map(seed + 100, sizes.stage2), stage3: map(seed + 200, sizes.stage3) };
      const told = await session.run(feedsOf(features, maps));
      const computed = whereOf(telling, maps)!;
      expect(told.where!.dims).toEqual([1, 5, 6]);
      computed.forEach((value, p) => {
        expect(told.where!.data[p]).toBeCloseTo(value, 5);
        expect(whereOf(read, maps)![p]).toBeCloseTo(value, 5);
      });
      // Its judgement of the part does not depend on that.
      const probabilities = probabilitiesOf(head, features, maps);
      expect(probabilitiesOf(read, features, maps)).toEqual(probabilities);
      probabilities.forEach((value, k) => {
        expect(told.probabilities!.data[k]).toBeCloseTo(value, 5);
      });
    }
    await session.release();
  });

  it('works without maps used only to locate, and needs those used to judge', async () => {
    const features = { features: new ort.Tensor('float32', randomValues(10, size), [1, size]) };
    const bytes = encodeHead({ ...featuresAlone(), where: detector });
    requireHeadGraph(bytes, headManifest(), { size, maps: [] });
    const [whole, cut] = await Promise.all(
      [encodeHead(featuresAlone()), withoutNeedlessMaps(bytes)].map((one) =>
        ort.InferenceSession.create(one),
      ),
    );
    expect(cut!.inputNames).toEqual(['features']);
    expect((await cut!.run(features)).probabilities!.data).toEqual(
      (await whole!.run(features)).probabilities!.data,
    );
    const looking = encodeHead({ ...headWith(evidence, 3), where: detector });
    expect(withoutNeedlessMaps(looking)).toBe(looking);
    expect(() => requireHeadGraph(looking, headManifest(), { size, maps: [] })).toThrow(
      'needs the map stage2',
    );
    expect(() =>
      requireHeadGraph(encodeHead(featuresAlone()), headManifest(), { size, maps: mapsGiven }),
    ).toThrow('its manifest has a limit for where, but the graph has no such output');
  });

  it('uses the values of an ordinary part if it receives no maps', () => {
    const { cells, ...head } = headWith(evidence, 3);
    const weights = labels.flatMap((_, k) =>
      Array.from(head.weights.subarray(k * (size + channels), k * (size + channels) + size)),
    );
    const features = randomValues(20, size);
    expect(probabilitiesOf({ ...head, cells }, features)).toEqual(
      probabilitiesOf({ ...head, weights: Float32Array.from(weights) }, features),
    );
  });

  it.each([
    ['by evidence', headWith(evidence, 3)],
    ['at a spot', headWith(spotAt(sizes.stage3, { x: 0.45, y: 0.6 }), 3)],
  ])('explains its score by places that sum to it: %s', (_, head) => {
    const maps = { stage2: map(31, sizes.stage2), stage3: map(32, sizes.stage3) };
    const pooled = [{ kind: 'average' as const, map: map(33, { channels: size, height: 3, width: 3 }) }];
    const { data } = activationMap(head, pooled, 'dent', maps);
    const seen = hellinger(attended(windowed(cellsOfMaps(maps), 3), head.cells!.look));
    const scores = product({ weights: head.weights, bias: new Float32Array(labels.length) }, [
      ...hellinger(pooledFeatures(pooled)),
      ...seen,
    ]);
    const mean = scores.reduce((a, b) => a + b) / labels.length;
    expect(data.reduce((a, b) => a + b)).toBeCloseTo(scores[0]! - mean, 4);
  });

  it('finds a place in its real size, for every window', () => {
    const data = new Float32Array(2 * 25);
    data[12] = 4;
    data[25 + 12] = 9;
    const cells = { data, channels: 2, height: 5, width: 5 };
    const finds = { weights: Float32Array.of(1, 2), bias: -1 };
    const found = [...Array(25).fill(-1).toSpliced(12, 1, 7)];
    for (const window of [1, 3, 5]) {
      expect([...deviationsOf(windowed(cells, window), { ...finds, window })]).toEqual(
        window === 5 ? Array(25).fill(7) : found,
      );
    }
  });

  it('takes the largest values around each cell', () => {
    const stage2 = {
      channels: 1,
      height: 3,
      width: 4,
      data: Float32Array.of(0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0),
    };
    const stage3 = { channels: 1, height: 2, width: 2, data: Float32Array.of(-1, 2, 0, 0) };
    const cells = cellsOfMaps({ stage2, stage3 });
    expect([...cells.data]).toEqual([0, 0, 5, 0, 0, 2, 0, 0]);
    expect([...windowed(cells, 3).data]).toEqual([5, 5, 5, 5, 2, 2, 2, 2]);
    expect(cellsOfMaps({ stage2, stage3 }, new Float32Array(8).fill(9))).toEqual(cells);
  });

  it('takes the largest values in windows of any size', () => {
    const [height, width] = [6, 7];
    const cells = { channels: 2, height, width, data: randomValues(8, 2 * height * width).map(Math.abs) };
    for (const window of [1, 3, 5, 7]) {
      const reach = (window - 1) / 2;
      const expected = cells.data.map((_, i) => {
        const [c, y, x] = [Math.floor(i / 42), Math.floor(i / width) % height, i % width];
        const near = cells.data.filter((_, j) => {
          const [down, across] = [(Math.floor(j / width) % height) - y, (j % width) - x];
          return Math.floor(j / 42) === c && Math.abs(down) <= reach && Math.abs(across) <= reach;
        });
        return Math.max(...near);
      });
      expect(windowed(cells, window).data).toEqual(expected);
      expect(windowed(cells, window, new Float32Array(cells.data.length).fill(9)).data).toEqual(expected);
    }
  });
});

it('the file of a head without places is unchanged', () => {
  const bytes = encodeHead(featuresAlone());
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(
    'd703293bdaac065288de90535c7109e88ed8b2557912492b30d8618ed0785873',
  );
});
