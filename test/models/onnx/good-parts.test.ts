import ort from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import { familiarOf } from '../../../calibration/train/familiar.ts';
import { goodPartsOf, type RememberedGood } from '../../../calibration/train/good-parts.ts';
import { seededRandom } from '../../../calibration/train/random.ts';
import { familiarityOf } from '../../../models/familiarity.ts';
import { anomalyScoreOf, familiarityOfScore } from '../../../models/good-memory.ts';
import {
  decodeHead,
  encodeHead,
  type HeadWeights,
  hellinger,
  probabilitiesOf,
} from '../../../models/head.ts';
import { readGoodMemory } from '../../../models/onnx/memory-graph.ts';
import { decodeModel } from '../../../models/onnx/proto.ts';
import { withoutNeedlessMaps } from '../../../models/onnx/without-maps.ts';
import { drawnCells, drawnMaps } from '../../drawn-maps.ts';

const labels = ['dent', 'good', 'scratch'];
const size = 24;

/** Features around those of the label. */
function featuresOf(label: string, seed: number): Float32Array {
  const own = labels.indexOf(label);
  const random = seededRandom(seed);
  return Float32Array.from(
    { length: size },
    (_, d) => 1 + (d % labels.length === own ? 2 : 0) + 0.3 * random.next(),
  );
}

/** Good parts 0 to 29, then 6 dents and 6 scratches; on defects one cell differs. */
const parts = Array.from({ length: 42 }, (_, i) => {
  const label = i < 30 ? 'good' : i < 36 ? 'dent' : 'scratch';
  const maps = drawnMaps(1 + i, label === 'good' ? undefined : { at: (i * 7) % 64 });
  const frame = { id: `${i}`, label, file: '', labelledAt: '', labelledBy: 'test' };
  return { frame, maps, features: featuresOf(label, i), views: new Map(), statistics: new Float32Array() };
});
const group = parts.map((_, i) => i);

const remember = (described: typeof parts) =>
  goodPartsOf(described, {
    cells: drawnCells(({ id }) => parts[Number(id)]!.maps),
    labels,
    good: ['good'],
    group,
    seed: 1,
    onProgress: () => undefined,
  });

describe('a head with a memory of good parts', () => {
  let remembered: RememberedGood;
  let head: HeadWeights;
  beforeAll(async () => {
    remembered = (await remember(parts))!;
    const weights = Float32Array.from({ length: labels.length * size }, (_, i) =>
      (i % size) % labels.length === Math.floor(i / size) ? 8 : -2,
    );
    head = {
      transform: 'hellinger',
      labels,
      weights,
      bias: new Float32Array(labels.length),
      temperature: 1,
      ...(await familiarOf(parts, group)),
      goodParts: remembered.goodParts,
    };
  });

  it('is used because the labelled defects differ from the good parts', () => {
    expect(remembered.report).toMatchObject({ used: true, parts: 30, defects: 12 });
    expect(remembered.report.detected).toBeGreaterThan(9);
    expect(remembered.report.sentence).toMatch(
      /^a part that it calls good is also compared with 30 good parts: 1\d of 12 labelled defects/,
    );
  });

  it('calls a part unfamiliar if its features are good but one cell is not, and never a known defect', async () => {
    const bytes = encodeHead(head);
    expect(decodeHead(bytes, labels)).toMatchObject({ goodParts: { good: [false, true, false] } });
    expect(readGoodMemory(decodeModel(bytes))).toBeUndefined();
    const again = encodeHead(decodeHead(bytes, labels)!);
    const [session, repeated] = [
      await ort.InferenceSession.create(bytes),
      await ort.InferenceSession.create(again),
    ];
    const { memory } = remembered.goodParts!;
    const counts = { good: 0, odd: 0, defect: 0 };
    for (let seed = 200; seed < 230; seed++) {
      const place = { at: (seed * 5) % 64 };
      for (const [name, label, maps] of [
        ['good', 'good', drawnMaps(seed)],
        ['odd', 'good', drawnMaps(seed, place)],
        ['defect', 'dent', drawnMaps(seed, place)],
      ] as const) {
        const features = featuresOf(label, seed);
        const feeds = {
          features: new ort.Tensor('float32', features, [1, size]),
          ...Object.fromEntries(
            (['stage2', 'stage3'] as const).map((stage) => {
              const { data, channels, height, width } = maps[stage]!;
              return [stage, new ort.Tensor('float32', data, [1, channels, height, width])];
            }),
          ),
        };
        const [{ familiarity }, { familiarity: same }] = [
          await session.run(feeds),
          await repeated.run(feeds),
        ];
        const own = familiarityOf(
          { exemplars: head.exemplars!, distance: head.distance },
          hellinger(features),
        );
        const ofGood = familiarityOfScore(anomalyScoreOf(memory, maps).score, memory.limit);
        const callsGood = probabilitiesOf(head, features)[1]! >= 0.5;
        expect(callsGood).toBe(label === 'good');
        expect(familiarity!.dims).toEqual([1]);
        expect(familiarity!.data[0]).toBeCloseTo(callsGood ? Math.min(own, ofGood) : own, 3);
        expect(same!.data[0]).toBeCloseTo(familiarity!.data[0] as number, 4);
        if ((familiarity!.data[0] as number) < 0.5) counts[name]++;
      }
    }
    expect(counts.odd).toBeGreaterThan(24);
    expect(counts.good).toBeLessThan(4);
    expect(counts.defect).toBeLessThan(4);
    const { familiarity } = await session.run({
      features: new ort.Tensor('float32', new Float32Array(size).fill(Number.NaN), [1, size]),
      ...Object.fromEntries(
        (['stage2', 'stage3'] as const).map((stage) => {
          const { data, channels, height, width } = parts[0]!.maps[stage]!;
          return [stage, new ort.Tensor('float32', data, [1, channels, height, width])];
        }),
      ),
    });
    expect((familiarity!.data[0] as number) >= 0.5).toBe(false);
    await session.release();
    await repeated.release();
  });

  it('works without maps as the same head without the memory', async () => {
    const cut = await ort.InferenceSession.create(withoutNeedlessMaps(encodeHead(head)));
    const plain = await ort.InferenceSession.create(encodeHead({ ...head, goodParts: undefined }));
    expect(cut.inputNames).toEqual(['features']);
    expect(cut.outputNames).toEqual(['probabilities', 'familiarity']);
    const feeds = { features: new ort.Tensor('float32', featuresOf('good', 300), [1, size]) };
    const [one, other] = [await cut.run(feeds), await plain.run(feeds)];
    expect(one.familiarity!.data).toEqual(other.familiarity!.data);
    expect(one.probabilities!.data).toEqual(other.probabilities!.data);
    await cut.release();
    await plain.release();
  });
});

it('omits the memory if defects look like good parts, and does not try with too few parts', async () => {
  const hidden = parts.map((part, i) => ({ ...part, maps: drawnMaps(1 + i) }));
  const without = await goodPartsOf(hidden, {
    cells: drawnCells(({ id }) => hidden[Number(id)]!.maps),
    labels,
    good: ['good'],
    group,
    seed: 1,
    onProgress: () => undefined,
  });
  expect(without).toMatchObject({ goodParts: undefined, report: { used: false } });
  expect(without!.report.sentence).toMatch(
    /which vary too much: \d of 12 labelled defects differ from them$/,
  );
  expect(await remember(parts.slice(21))).toBeUndefined();
  expect(await remember(parts.slice(0, 33))).toBeUndefined();
});
