import ort from 'onnxruntime-node';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Familiar, familiarOf } from '../../../calibration/train/familiar.ts';
import { seededRandom } from '../../../calibration/train/random.ts';
import { familiarityOf, noveltyOf, pointsOf } from '../../../models/familiarity.ts';
import { decodeHead, encodeHead, type HeadWeights, hellinger } from '../../../models/head.ts';
import { decide } from '../../../models/verdict.ts';

const size = 60;
const labels = ['dent', 'good', 'scratch', 'stain'];

/**
 * Features of a part: all parts vary much in the first ten; a label shifts three of the others by the amount of their
 * variation.
 */
function partsOf(label: string, count: number, seed: number) {
  const random = seededRandom(seed);
  const kind = ['good', 'dent', 'scratch', 'stain', 'crack'].indexOf(label);
  return Array.from({ length: count }, () => {
    const common = random.between(-1, 1);
    const features = Float32Array.from({ length: size }, (_, d) => {
      const varies = d < 10 ? 2 * common + random.between(-1, 1) : 0;
      const moved = kind > 0 && Math.floor((d - 10) / 3) === kind ? 1 : 0;
      return 4 + varies + moved + random.between(-0.3, 0.3);
    });
    return { features, frame: { label } };
  });
}

const training = labels.flatMap((label, k) => partsOf(label, 25, 1 + k));
const singly = (parts: readonly unknown[]) => parts.map((_, i) => i);
const likeness = (by: Familiar, features: Float32Array) => familiarityOf(by, hellinger(features));
const shareUnfamiliar = (by: Familiar, parts: readonly { features: Float32Array }[]) =>
  parts.filter(({ features }) => likeness(by, features) < by.minFamiliarity).length / parts.length;

describe('the familiarity of a head', () => {
  let familiar: Familiar;
  beforeAll(async () => {
    familiar = await familiarOf(training, singly(training));
  });

  test('detects an unlabelled kind, and few parts of known kinds', () => {
    expect(familiar.minFamiliarity).toBe(0.5);
    expect(familiar.measure).toMatch(/^Mahalanobis distance to the nearest label/);
    expect(shareUnfamiliar(familiar, partsOf('crack', 100, 11))).toBeGreaterThan(0.9);
    const known = labels.flatMap((label, k) => partsOf(label, 100, 21 + k));
    expect(shareUnfamiliar(familiar, known)).toBeLessThan(0.05);
    // Parts of the training have nearly the maximum familiarity.
    expect(Math.min(...training.map(({ features }) => likeness(familiar, features)))).toBeGreaterThan(0.9);
  });

  test('compares the distance to each label with what is usual for it', async () => {
    // Parts of one label vary four times as much as those of the others.
    const wide = partsOf('stain', 25, 4).map(({ features, frame }, i) => {
      const random = seededRandom(100 + i);
      return { features: features.map((value, d) => value + (d < 30 ? 0 : random.between(-1, 1))), frame };
    });
    const uneven = [...training.filter(({ frame }) => frame.label !== 'stain'), ...wide];
    const { distance } = await familiarOf(uneven, singly(uneven));
    const scales = [...distance!.scales!];
    expect(scales[3]! / Math.max(...scales.slice(0, 3))).toBeGreaterThan(2);
    // Squared distances 4 and 5; no labelled part is in the same direction.
    const [means, known] = [
      pointsOf([
        [0, 0],
        [1, 0],
      ]),
      pointsOf([[1, 0]]),
    ];
    const point = { means, parts: known, nearest: false };
    expect(noveltyOf([0, 2], point)).toBeCloseTo(4, 6);
    expect(noveltyOf([0, 2], { ...point, scales: [1, 2] })).toBeCloseTo(2.5, 6);
  });

  test('is the same in the graph, and after reading it back', async () => {
    for (const nearest of [true, false]) {
      const distance = { ...familiar.distance!, nearest };
      const head: HeadWeights = {
        transform: 'hellinger',
        labels,
        weights: new Float64Array(labels.length * size).fill(0.01),
        bias: new Float64Array(labels.length),
        temperature: 1,
        exemplars: familiar.exemplars,
        distance,
      };
      const bytes = encodeHead(head);
      const read = decodeHead(bytes, labels)!;
      expect(read.distance).toEqual({ ...distance, limit: Math.fround(distance.limit) });
      expect(read.exemplars).toEqual(familiar.exemplars);
      const session = await ort.InferenceSession.create(bytes);
      const seen = [...training.slice(0, 3), ...partsOf('crack', 3, 11), ...partsOf('dent', 3, 12)];
      const { familiarity } = await session.run({
        features: new ort.Tensor(
          'float32',
          seen.flatMap(({ features }) => [...features]),
          [seen.length, size],
        ),
      });
      expect(familiarity!.dims).toEqual([seen.length]);
      seen.forEach(({ features }, i) => {
        const here = familiarityOf({ exemplars: familiar.exemplars, distance }, hellinger(features));
        expect(familiarity!.data[i]).toBeCloseTo(here, 3);
      });
      const broken = await session.run({
        features: new ort.Tensor('float32', new Float32Array(size).fill(Number.NaN), [1, size]),
      });
      const rules = {
        thresholds: { pass: 0.5, fail: 0.5 },
        good: ['good'],
        familiar: familiar.minFamiliarity,
      };
      const sure = [{ good: 1, dent: 0, scratch: 0, stain: 0 }];
      expect(decide(sure, rules, [broken.familiarity!.data[0] as number]).verdict).toBe('uncertain');
      await session.release();
    }
  });

  test('frames of one part do not count as neighbours of each other', async () => {
    const twice = training.flatMap((one, i) => (i % 2 === 0 ? [one, one] : []));
    const alone = await familiarOf(twice, singly(twice));
    const together = await familiarOf(
      twice,
      twice.map((_, i) => Math.floor(i / 2)),
    );
    expect(together.distance!.limit).toBeGreaterThan(1.2 * alone.distance!.limit);
    expect(shareUnfamiliar(together, partsOf('good', 100, 31))).toBeLessThan(0.08);
  });

  test('two labels with four parts each are sufficient; identical parts lead to the cosine', async () => {
    const few = [...partsOf('good', 4, 1), ...partsOf('dent', 4, 2)];
    const fewest = await familiarOf(few, singly(few));
    expect(fewest.distance!.limit).toBeGreaterThan(0);
    const same = Array.from({ length: 8 }, (_, i) => ({
      features: new Float32Array(size).fill(2),
      frame: { label: i < 4 ? 'good' : 'dent' },
    }));
    const cosine = await familiarOf(same, singly(same));
    expect(cosine).toMatchObject({ measure: 'cosine to the nearest part' });
    expect(cosine.distance).toBeUndefined();
    expect(likeness(cosine, same[0]!.features)).toBeGreaterThanOrEqual(cosine.minFamiliarity - 1e-6);
  });

  test('ends where it is cancelled', async () => {
    const cancelled = AbortSignal.abort(new Error('cancelled'));
    await expect(familiarOf(training, singly(training), cancelled)).rejects.toThrow('cancelled');
  });
});
