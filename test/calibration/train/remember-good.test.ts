import ort from 'onnxruntime-node';
import { beforeAll, describe, expect, test } from 'vitest';
import { limitOf, tailLimit } from '../../../calibration/train/false-alarms.ts';
import { seededRandom } from '../../../calibration/train/random.ts';
import { type Remembered, rememberGood } from '../../../calibration/train/remember-good.ts';
import { anomalyScoreOf, familiarityOfScore, scoreOfFamiliarity } from '../../../models/good-memory.ts';
import { encodeGoodMemory, readGoodMemory } from '../../../models/onnx/memory-graph.ts';
import { decodeModel } from '../../../models/onnx/proto.ts';
import type { FeatureMaps } from '../../../models/run/runner.ts';
import { drawnCells, drawnMaps, fine } from '../../drawn-maps.ts';

const good = Array.from({ length: 30 }, (_, i) => drawnMaps(1 + i));
const group = good.map((_, i) => i);

const sourceOf = (parts: readonly FeatureMaps[], maxBytes?: number) =>
  drawnCells(({ id }) => parts[Number(id)]!, maxBytes).sourceOf(
    parts.map((_, i) => ({ id: `${i}`, file: '' })),
  );

describe('a head that knows good parts only', () => {
  let made: Remembered;
  beforeAll(async () => {
    made = await rememberGood(sourceOf(good), { group, seed: 1, falseAlarmRate: 0.1 });
  });

  test('detects a small defect anywhere, with few false alarms', () => {
    expect(made.memory.cells).toHaveLength(500);
    const isAnomalous = (of: FeatureMaps) => anomalyScoreOf(made.memory, of).score > made.memory.limit;
    const defects = Array.from({ length: 40 }, (_, i) => drawnMaps(101 + i, { at: (i * 7) % 64 }));
    expect(defects.filter(isAnomalous).length).toBeGreaterThan(36);
    const others = Array.from({ length: 100 }, (_, i) => drawnMaps(201 + i));
    expect(others.filter(isAnomalous).length).toBeLessThan(15);
    expect(made.promised).toBe(true);
  });

  test('locates the defect', () => {
    const { where } = anomalyScoreOf(made.memory, drawnMaps(601, { at: 27 }));
    expect(where.indexOf(Math.max(...where))).toBe(27);
    const ordinary = anomalyScoreOf(made.memory, drawnMaps(602)).where;
    expect(Math.max(...ordinary)).toBeLessThan(Math.max(...where));
  });

  test('gives the same results in onnxruntime and here, and can be read back', async () => {
    const bytes = encodeGoodMemory(made.memory, 'good');
    const read = readGoodMemory(decodeModel(bytes))!;
    const session = await ort.InferenceSession.create(bytes);
    const { limit } = made.memory;
    for (const part of [drawnMaps(501), drawnMaps(502, { at: 9 }), good[0]!]) {
      const answer = await session.run(
        Object.fromEntries(
          (['stage2', 'stage3'] as const).map((name) => {
            const { data, channels, height, width } = part[name]!;
            return [name, new ort.Tensor('float32', data, [1, channels, height, width])];
          }),
        ),
      );
      const here = anomalyScoreOf(made.memory, part);
      const familiarity = answer.familiarity!.data[0] as number;
      expect(answer.familiarity!.dims).toEqual([1]);
      expect(familiarity).toBeCloseTo(familiarityOfScore(here.score, limit), 3);
      expect(scoreOfFamiliarity(familiarity, limit)).toBeCloseTo(here.score, 2);
      expect(answer.probabilities!.dims).toEqual([1, 1]);
      expect(answer.probabilities!.data[0]).toBe(1);
      expect(answer.where!.dims).toEqual([1, fine, fine]);
      // A cell in memory has the distance 0, which single precision does not reach exactly.
      here.where.forEach((value, p) => {
        expect(Math.abs((answer.where!.data[p] as number) - value)).toBeLessThan(0.05);
      });
      expect(anomalyScoreOf(read, part).score).toBeCloseTo(here.score, 4);
    }
    await session.release();
  });

  test('is the same if memory cannot hold all parts', async () => {
    const options = { group, seed: 1, falseAlarmRate: 0.1 };
    const again = await rememberGood(sourceOf(good, 40_000), options);
    expect(again.heldOut).toEqual(made.heldOut);
  });

  test('omits parts of one group together', async () => {
    const once = good.slice(0, 12);
    const twice = [...once, ...once];
    const options = { seed: 1, falseAlarmRate: 0.1 };
    const alone = await rememberGood(sourceOf(twice), { ...options, group: twice.map((_, i) => i) });
    const together = await rememberGood(sourceOf(twice), { ...options, group: twice.map((_, i) => i % 12) });
    const mean = (of: readonly number[]) => of.reduce((a, b) => a + b) / of.length;
    const known = (of: Remembered) => mean(of.heldOut);
    expect(anomalyScoreOf(alone.memory, drawnMaps(700)).score).toBeGreaterThan(
      anomalyScoreOf(together.memory, drawnMaps(700)).score,
    );
    expect(known(together)).toBeCloseTo(0, 0);
  });

  test('refuses fewer than ten parts, and can be stopped', async () => {
    const options = { group, seed: 1, falseAlarmRate: 0.1 };
    await expect(rememberGood(sourceOf(good.slice(0, 9)), options)).rejects.toThrow(RangeError);
    const signal = AbortSignal.abort(new Error('stopped'));
    await expect(rememberGood(sourceOf(good), { ...options, signal })).rejects.toThrow('stopped');
  });
});

describe('the limit', () => {
  const ranked = (count: number) => Array.from({ length: count }, (_, i) => i);

  test.each([
    [29, 0.1],
    [59, 0.05],
    [149, 0.02],
    [299, 0.01],
  ])('%i parts promise %d, one fewer does not', (parts, rate) => {
    expect(limitOf(ranked(parts), rate)).toMatchObject({ promised: true, limit: parts - 1 });
    const fewer = limitOf(ranked(parts - 1), rate);
    expect(fewer).toMatchObject({ promised: false, limit: parts - 2 });
    expect(fewer.text).toContain('at least 1 more are needed');
  });

  test('with more parts it may be lower than the largest', () => {
    expect(limitOf(ranked(46), 0.1)).toMatchObject({ promised: true, limit: 44 });
  });

  test('is exceeded as rarely as it states', () => {
    let broken = 0;
    for (let draw = 0; draw < 400; draw++) {
      const random = seededRandom(1 + draw);
      const { limit } = limitOf(
        Array.from({ length: 60 }, () => random.next()),
        0.1,
      );
      if (1 - limit > 0.1) broken++;
    }
    expect(broken / 400).toBeLessThan(0.075);
  });
});

test('the limit for a small share is extrapolated from few parts, and agrees with many', () => {
  const scores = (count: number) => Array.from({ length: count }, (_, i) => -Math.log((i + 0.5) / count));
  // Exponential: 1 % of the parts exceed ln 100.
  expect(tailLimit(scores(2_000), 0.01)).toBeCloseTo(Math.log(100), 1);
  expect(tailLimit(scores(30), 0.01)).toBeCloseTo(Math.log(100), 0);
  expect(tailLimit(scores(12), 0.01)).toBeGreaterThan(Math.max(...scores(12)));
  expect(tailLimit([2], 0.01)).toBe(2);
});
